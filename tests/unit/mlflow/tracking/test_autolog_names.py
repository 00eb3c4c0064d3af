"""Scores under the names of MLflow's autologging, if a setting asks for them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mlflow import MlflowClient

from otel_dspy.mlflow.mapping.operations import EnsureRun, LogEvaluation, LogMetrics, MetricPoint
from otel_dspy.mlflow.mapping.run_keys import CompileRun, EvaluateRun, TrialRun, UserRun
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.operation_applier import OperationApplier
from otel_dspy.mlflow.tracking.writers.exclusive_writer import ExclusiveWriter
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

COMPILE = CompileRun("c")
POINTS = tuple(
    MetricPoint(name, value, step, 1000)
    for name, value, step in (("score/full", 50.0, 0), ("score/minibatch", 75.0, 1), ("usage/lm_calls", 4.0, 1))
)
OURS = {"score/full": [(0, 50.0)], "score/minibatch": [(1, 75.0)], "usage/lm_calls": [(1, 4.0)]}


def _logged(tmp_path: Path) -> list[dict[str, list[tuple[int, float]]]]:
    """Metrics of a compile's, a trial's and an evaluation's run, and of a user's run with an evaluation."""
    uri = blank_store(tmp_path)
    client = MlflowClient(uri)
    users = UserRun(client.create_run("0", run_name="the user's own").info.run_id)
    applier = OperationApplier(ExclusiveWriter(Destination(uri, Experiment(name="Default")), threading.Event()))
    for run in (COMPILE, TrialRun("c", 0, COMPILE), EvaluateRun("t", "s")):
        name = type(run).__name__
        applier.apply(EnsureRun(key=f"{name}/run", run=run, name=name, start_ms=1, parent=None, tags={}))
        applier.apply(LogMetrics(key=f"{name}/metrics", run=run, metrics=POINTS))
    applier.apply(
        LogEvaluation(
            key="e", run=users, evaluation="s", results={"score/full": 50.0}, used={"usage/lm_calls": 4.0}, time_ms=2, tags={}
        )
    )  # fmt: skip
    applier.send_all()
    return [
        {
            metric: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, metric)]
            for metric in run.data.metrics
        }
        for run in sorted(client.search_runs(["0"]), key=lambda run: run.info.run_name or "")
    ]


def test_only_by_our_names(tmp_path: Path) -> None:
    """Without the setting."""
    assert _logged(tmp_path) == [OURS, OURS, OURS, {"score/full": [(0, 50.0)], "usage/lm_calls": [(0, 4.0)]}]


def test_also_by_autologgings_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`eval_full`, `eval_minibatch` and `eval` on the compile's run, `eval` on that of a trial or an evaluation."""
    monkeypatch.setenv("OTEL_DSPY_MLFLOW_AUTOLOG_METRICS", "true")
    either = OURS | {"eval": [(0, 50.0), (1, 75.0)]}
    assert _logged(tmp_path) == [
        OURS | {"eval_full": [(0, 50.0)], "eval": [(0, 50.0)], "eval_minibatch": [(1, 75.0)]},
        either,
        either,
        {"score/full": [(0, 50.0)], "eval": [(0, 50.0)], "usage/lm_calls": [(0, 4.0)]},
    ]
