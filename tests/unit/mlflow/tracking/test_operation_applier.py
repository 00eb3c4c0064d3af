"""OperationApplier: handling of data that MLflow rejects."""

from __future__ import annotations

import logging
import re
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE

from otel_dspy.bridge.multi_writer.concurrent_writer import ConcurrentWriter
from otel_dspy.mlflow.mapping.operations import EndRun, EnsureRun, LogMetrics, LogParams, MetricPoint
from otel_dspy.mlflow.mapping.run_keys import CompileRun
from otel_dspy.mlflow.mapping.trace_operations import LogSpan
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.records.span import SpanRecord
from otel_dspy.mlflow.tracking.operation_applier import OperationApplier
from otel_dspy.mlflow.tracking.requests import retry
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.mlflow.tracking.store.traces.trace_store import TraceStore
from otel_dspy.mlflow.tracking.writers.exclusive_writer import ExclusiveWriter
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    from otel_dspy.mlflow.tracking.writers.writer_strategy import WriterStrategy

RUN = CompileRun("c")


def _applier(tmp_path: Path) -> OperationApplier:
    """One with a run in it."""
    applier = OperationApplier(
        ExclusiveWriter(Destination(blank_store(tmp_path), Experiment(name="Default")), threading.Event())
    )
    applier.apply(EnsureRun(key="run", run=RUN, name="compile", start_ms=1, parent=None, tags={}))
    return applier


def _deliver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: MlflowException
) -> tuple[OperationApplier, list[dict[str, str]]]:
    """Log two parameters of a run to a store that raises for `second`; return the requests it received."""
    asked: list[dict[str, str]] = []
    log_run = Store.log_run

    def failing(store: Store, run_id: str, params: dict[str, str], *rest: Any) -> None:
        if params:
            asked.append(dict(params))
        if "second" in params:
            raise error
        log_run(store, run_id, params, *rest)

    monkeypatch.setattr(Store, "log_run", failing)
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "LONGEST_PAUSE", 0.001)
    applier = _applier(tmp_path)
    applier.apply(LogParams(key="params", run=RUN, params={"first": "1", "second": "2"}))
    applier.finish_span()
    return applier, asked


def test_a_parameter_that_is_refused_takes_no_other_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is then sent separately, and one is lost."""
    refused = MlflowException("changing is not allowed", INVALID_PARAMETER_VALUE)
    applier, asked = _deliver(tmp_path, monkeypatch, refused)
    assert asked == [{"first": "1", "second": "2"}, {"first": "1"}, {"second": "2"}]
    assert (applier.lost, applier.failed) == (1, 0)


def test_parameters_that_are_refused_have_a_line_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the batch, and of the one parameter that is the cause."""
    _deliver(tmp_path, monkeypatch, MlflowException("changing is not allowed", INVALID_PARAMETER_VALUE))
    assert [record.getMessage().partition(" rejected ")[2] for record in caplog.records] == [
        "parameters and metrics: changing is not allowed",
        "parameter second: changing is not allowed",
    ]


def _write_to_a_deleted_run(
    tmp_path: Path, writer: Callable[[Destination, threading.Event], WriterStrategy], *, purged: bool = False
) -> OperationApplier:
    """Log parameters, metrics and the end of two runs, of which one is deleted after its start."""
    uri, runs = blank_store(tmp_path), (RUN, CompileRun("d"))
    applier = OperationApplier(writer(Destination(uri, Experiment(name="Default")), threading.Event()))
    for run in runs:
        applier.apply(EnsureRun(key="run", run=run, name=run.compile_id, start_ms=1, parent=None, tags={}))
    applier.send_all()
    client, experiment = MlflowClient(uri), Store(uri).experiment_id("Default")
    (gone,) = client.search_runs([experiment], "attributes.run_name = 'c'")
    client.delete_run(gone.info.run_id)
    if purged:
        cast("SqlAlchemyStore", client._tracking_client.store)._hard_delete_run(gone.info.run_id)
    for batch in range(3):
        for run in runs:
            params = {f"{batch}.{number}": "value" for number in range(10)}
            applier.apply(LogParams(key="params", run=run, params=params))
            point = MetricPoint(name=f"metric {batch}", value=1.0, step=0, time_ms=1)
            applier.apply(LogMetrics(key="metrics", run=run, metrics=(point,), tags={}))
        applier.send_all()
    for run in runs:
        applier.apply(EndRun(key="end", run=run, status="FINISHED", end_ms=2))
    (kept,) = client.search_runs([experiment])
    assert (len(kept.data.params), len(kept.data.metrics), kept.info.status) == (30, 3, "FINISHED")
    return applier


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_run_that_is_deleted_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its cause, the run, and what brings it back; the rest is DEBUG, and is kept for a replay."""
    caplog.set_level(logging.DEBUG, "otel_dspy")
    applier = _write_to_a_deleted_run(tmp_path, ExclusiveWriter)
    (line,) = _warnings(caplog)
    assert re.fullmatch(
        r"Run [0-9a-f]{32} was deleted, alone or with its experiment, in MLflow at sqlite:///\S+mlflow.db: nothing more is "
        r"written to it. The rest of its data is kept in the spool: restore it in MLflow, then run `otel-dspy replay`. "
        r"MLflow has deleted the scores that its traces had.",
        line,
    )
    assert (applier.lost, applier.failed) == (0, 4)  # three batches and the end
    assert sum("is not written to run" in record.getMessage() for record in caplog.records) == 4


def test_a_deleted_run_of_a_client_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is rejected: a bridge's client would send it again for ever, and keeps it in its queue until it starts again."""
    applier = _write_to_a_deleted_run(tmp_path, ConcurrentWriter)
    (line,) = _warnings(caplog)
    assert line.startswith("Run ")
    assert line.endswith(
        "mlflow.db: nothing more is written to it until it is restored there. What arrives meanwhile is rejected; a bridge "
        "with a queue writes it at its next start. MLflow has deleted the scores that its traces had."
    )
    assert (applier.lost, applier.failed) == (4, 0)


def test_a_run_that_is_gone_for_good_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """`mlflow gc` removes what was deleted: there is nothing to restore."""
    applier = _write_to_a_deleted_run(tmp_path, ExclusiveWriter, purged=True)
    (line,) = _warnings(caplog)
    assert re.match(r"Run [0-9a-f]{32} does not exist any more in MLflow at ", line)
    assert line.endswith("mlflow.db: nothing more is written to it, and its data is not kept.")
    assert (applier.lost, applier.failed) == (4, 0)


def test_a_batch_that_a_server_fails_at_is_tried_together_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails and is kept as a whole: retries of each parameter would take as long again."""
    applier, asked = _deliver(tmp_path, monkeypatch, MlflowException("out of order", INTERNAL_ERROR))
    assert asked == [{"first": "1", "second": "2"}] * retry.MAX_RETRIES
    assert (applier.lost, applier.failed) == (0, 1)


def test_a_metric_that_is_refused_takes_no_other_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the tags, such as the run's name: each is then sent separately."""
    asked: list[tuple[list[str], list[str]]] = []
    log_run = Store.log_run

    def failing(
        store: Store, run_id: str, params: dict[str, str], points: Sequence[MetricPoint], tags: dict[str, str]
    ) -> None:
        asked.append(([point.name for point in points], list(tags)))
        if any(point.name == "bad/" for point in points):
            message = "Invalid metric name"
            raise MlflowException(message, INVALID_PARAMETER_VALUE)
        log_run(store, run_id, params, points, tags)

    monkeypatch.setattr(Store, "log_run", failing)
    applier = _applier(tmp_path)
    points = [MetricPoint(name=name, value=1.0, step=step, time_ms=1) for name in ("good", "bad/") for step in (0, 1)]
    applier.apply(LogMetrics(key="metrics", run=RUN, metrics=tuple(points), tags={"mlflow.runName": "trial 1"}))
    applier.finish_span()
    whole = (["good", "good", "bad/", "bad/"], ["mlflow.runName"])
    assert asked == [whole, ([], ["mlflow.runName"]), (["good", "good"], []), (["bad/", "bad/"], [])]
    assert (applier.lost, applier.failed) == (1, 0)


@pytest.mark.parametrize(("bad", "requests", "lost"), [({7}, 13, 1), ({0, 63}, 23, 2), (set(range(64)), 35, 18)])
def test_a_span_that_is_refused_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: set[int], requests: int, lost: int
) -> None:
    """The batch is split in halves, up to a maximum if all are rejected, as in a deleted experiment."""
    asked: list[set[int]] = []

    def failing(_store: TraceStore, _experiment: str, spans: Sequence[LogSpan]) -> None:
        asked.append({int(span.key) for span in spans})
        if asked[-1] & bad:
            message = "Failed to log OpenTelemetry spans"
            raise MlflowException(message, INVALID_PARAMETER_VALUE)

    monkeypatch.setattr(TraceStore, "log_spans", failing)
    applier = _applier(tmp_path)
    for number in range(64):
        span = SpanRecord(
            trace_id="t", span_id=f"{number}", parent_id=None, name="s", kind="INTERNAL", start_ns=1, end_ns=2,
            attributes={}, error=False,
        )  # fmt: skip
        applier.apply(LogSpan(key=str(number), trace_id="t", span=span, parent_id=None, attributes={}))
    applier.send_all()
    recorded = [spans for spans in asked if not spans & bad]
    assert set().union(*recorded) == set(range(64)) - bad
    assert (len(asked), applier.lost) == (requests, lost)
