"""End of a trial's run: one transaction with its own metrics and those of its compile, in a SQLite database."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mlflow import MlflowClient

from otel_dspy.mlflow.mapping.operations import EndRun, EnsureRun, LogMetrics, LogParams, MetricPoint
from otel_dspy.mlflow.mapping.run_keys import CompileRun, TrialRun
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.operation_applier import OperationApplier
from otel_dspy.mlflow.tracking.writers.exclusive_writer import ExclusiveWriter
from tests.support.blank_store import blank_store
from tests.support.database_statements import COMMIT, database_statements

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow.entities import Run

    from otel_dspy.mlflow.mapping.run_keys import RunKey

COMPILE = CompileRun("c")
TRIAL, OTHER = TrialRun("c", 0, COMPILE), TrialRun("c", 1, COMPILE)


def _applier(uri: str) -> OperationApplier:
    """One with the runs of a compile and of its trial."""
    applier = OperationApplier(ExclusiveWriter(Destination(uri, Experiment(name="Default")), threading.Event()))
    for run, name, parent in ((COMPILE, "compile", None), (TRIAL, "trial", COMPILE)):
        applier.apply(EnsureRun(key="run", run=run, name=name, start_ms=1, parent=parent, tags={}))
    applier.send_all()
    return applier


def _metrics(run: RunKey, value: float) -> LogMetrics:
    return LogMetrics(key="metrics", run=run, metrics=(MetricPoint("score", value, 0, 1),))


def _end() -> EndRun:
    return EndRun(key="end", run=TRIAL, status="FINISHED", end_ms=2)


def _runs(uri: str) -> dict[str | None, Run]:
    return {run.info.run_name: run for run in MlflowClient(uri).search_runs(["0"])}


def test_the_metrics_of_the_compile_share_its_transaction(tmp_path: Path) -> None:
    """One commit, and nothing is left to be sent."""
    uri = blank_store(tmp_path)
    applier = _applier(uri)
    with database_statements(uri) as statements:
        for operation in (_metrics(TRIAL, 1.0), _metrics(COMPILE, 2.0), _end()):
            applier.apply(operation)
        assert statements.count(COMMIT) == 1
        applier.finish_span()
        assert statements.count(COMMIT) == 1
    runs = _runs(uri)
    assert {name: run.data.metrics for name, run in runs.items()} == {
        "trial": {"score": 1.0},
        "compile": {"score": 2.0},
    }
    assert (runs["trial"].info.status, runs["compile"].info.status) == ("FINISHED", "RUNNING")
    assert (applier.done, applier.lost, applier.failed) == (5, 0, 0)


def test_what_the_store_rejects_of_the_compile_leaves_the_end_as_it_is(tmp_path: Path) -> None:
    """A parameter that has another value: everything else is written, and it alone is lost."""
    uri = blank_store(tmp_path)
    applier = _applier(uri)
    applier.apply(LogParams(key="params", run=COMPILE, params={"name": "first"}))
    applier.finish_span()
    changed = LogParams(key="params", run=COMPILE, params={"name": "second"})
    for operation in (changed, _metrics(COMPILE, 2.0), _metrics(TRIAL, 1.0), _end()):
        applier.apply(operation)
    applier.finish_span()
    runs = _runs(uri)
    assert {name: run.data.metrics for name, run in runs.items()} == {
        "trial": {"score": 1.0},
        "compile": {"score": 2.0},
    }
    assert (runs["trial"].info.status, runs["compile"].data.params) == ("FINISHED", {"name": "first"})
    assert applier.lost == 1


def test_a_run_that_does_not_exist_is_created_apart(tmp_path: Path) -> None:
    """Its metrics are sent after the end: a transaction that is undone would leave a run that only the cache has."""
    uri = blank_store(tmp_path)
    applier = _applier(uri)
    for operation in (_metrics(OTHER, 3.0), _metrics(TRIAL, 1.0), _end()):
        applier.apply(operation)
    assert set(_runs(uri)) == {"compile", "trial"}
    applier.finish_span()
    assert _runs(uri)["trial 1"].data.metrics == {"score": 3.0}
