"""What a sink does with what MLflow does not take."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE

from otel_dspy.mlflow.delivery import attempts
from otel_dspy.mlflow.destination import Destination, Experiment
from otel_dspy.mlflow.mapping.operations import CompileRun, EnsureRun, LogParams
from otel_dspy.mlflow.tracking.sink import Sink
from otel_dspy.mlflow.tracking.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

RUN = CompileRun("c")


def _tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: MlflowException) -> tuple[Sink, list[dict[str, str]]]:
    """Two parameters of a run to a store that raises where `second` is among them; what it was asked to store."""
    asked: list[dict[str, str]] = []
    log_run = Store.log_run

    def failing(store: Store, run_id: str, params: dict[str, str], *rest: Any) -> None:
        if params:
            asked.append(dict(params))
        if "second" in params:
            raise error
        log_run(store, run_id, params, *rest)

    monkeypatch.setattr(Store, "log_run", failing)
    monkeypatch.setattr(attempts, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(attempts, "LONGEST_PAUSE", 0.001)
    sink = Sink(Destination(f"sqlite:///{tmp_path / 'm.db'}", Experiment(name="Default")), threading.Event())
    sink.apply(EnsureRun(key="run", run=RUN, name="compile", start_ms=1, parent=None, tags={}))
    sink.apply(LogParams(key="params", run=RUN, params={"first": "1", "second": "2"}))
    sink.settle()
    return sink, asked


def test_a_parameter_that_is_refused_takes_no_other_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is told for itself then, and one is lost."""
    refused = MlflowException("changing is not allowed", INVALID_PARAMETER_VALUE)
    sink, asked = _tell(tmp_path, monkeypatch, refused)
    assert asked == [{"first": "1", "second": "2"}, {"first": "1"}, {"second": "2"}]
    assert (sink.lost, sink.failed) == (1, 0)


def test_a_batch_that_a_server_fails_at_is_tried_together_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails as a whole and is kept as a whole: another round for each parameter would only take as long again."""
    sink, asked = _tell(tmp_path, monkeypatch, MlflowException("out of order", INTERNAL_ERROR))
    assert asked == [{"first": "1", "second": "2"}] * attempts.MAX_RETRIES
    assert (sink.lost, sink.failed) == (0, 1)
