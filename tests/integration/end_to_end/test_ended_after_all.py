"""Runs and traces that were ended as KILLED, and whose actual end is recorded after all, have no reason for that."""

from __future__ import annotations

import os
import threading
import uuid
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient

from otel_dspy.mlflow.mapping.operations import EndRun, EnsureRun, LogMetrics
from otel_dspy.mlflow.mapping.run_keys import CompileRun, TrialRun
from otel_dspy.mlflow.mapping.trace_operations import LogTrace
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.operation_applier import OperationApplier
from otel_dspy.mlflow.tracking.runs.stale_runs import REASON_TAG
from otel_dspy.mlflow.tracking.state.process_identity import HOST_TAG, PROCESSES_TAG, host, process
from otel_dspy.mlflow.tracking.writers.exclusive_writer import ExclusiveWriter

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.operations import RunStatus

COMPILE = CompileRun("c")
TRIAL = TrialRun("c", 0, COMPILE)
REASON = "process 1 was terminated (SIGTERM) before it recorded the end of the run"


@pytest.mark.parametrize(
    ("replayed", "status", "batch"),
    [
        (False, "FINISHED", False),
        (True, "FINISHED", True),
        (False, "FAILED", True),
        (True, "FAILED", False),
        # Each pair of these values is among those above.
        pytest.param(True, "FINISHED", False, marks=pytest.mark.slow),
        pytest.param(False, "FINISHED", True, marks=pytest.mark.slow),
        pytest.param(False, "FAILED", False, marks=pytest.mark.slow),
        pytest.param(True, "FAILED", True, marks=pytest.mark.slow),
    ],
)
def test_the_actual_end_removes_the_reason(
    tracking_uri: str, *, replayed: bool, status: RunStatus, batch: bool
) -> None:
    """A compile ends in another thread while SIGTERM ends its process, or a replay writes the end from the spool.

    With a batch of the run's metrics the end is one transaction in a local database. What does not end keeps its reason.
    """
    experiment, trace_id = uuid.uuid4().hex, uuid.uuid4().hex
    started = LogTrace(key="info", trace_id=trace_id, run=COMPILE, start_ms=1, name="compile")
    ended = LogTrace(key="end", trace_id=trace_id, run=COMPILE, start_ms=1, root_id="1" * 16, state="OK", duration_ms=1)

    def applier() -> OperationApplier:
        destination = Destination(tracking_uri, Experiment(name=experiment))
        return OperationApplier(ExclusiveWriter(destination, threading.Event(), look_up_runs=replayed))

    first = applier()
    for run, parent in ((COMPILE, None), (TRIAL, COMPILE)):
        first.apply(EnsureRun(key="run", run=run, name=type(run).__name__, start_ms=1, parent=parent, tags={}))
    first.apply(started)
    first.send_all()
    assert first.end_open_runs(2, REASON) == 2
    first.send_all()
    first.end_interrupted_traces()
    states = _states(tracking_uri, experiment)
    assert states == {"CompileRun": ("KILLED", REASON), "TrialRun": ("KILLED", REASON), "trace": ("ERROR", REASON)}
    again = applier() if replayed else first
    if batch:
        again.apply(LogMetrics(key="metrics", run=COMPILE, metrics=(), tags={"more": "1"}))
    again.apply(EndRun(key="end", run=COMPILE, status=status, end_ms=3))
    again.apply(ended)
    again.send_all()
    states = _states(tracking_uri, experiment)
    assert states == {"CompileRun": (status, None), "TrialRun": ("KILLED", REASON), "trace": ("OK", None)}
    assert (again.lost, again.failed) == (0, 0)
    again.apply(EndRun(key="end", run=COMPILE, status=status, end_ms=3))
    again.send_all()
    assert (again.lost, again.failed) == (0, 0)
    assert _states(tracking_uri, experiment) == states


def test_a_replay_ends_runs_of_which_the_spool_has_no_span(tracking_uri: str) -> None:
    """A process that is killed has created the run of its last trial, and of a step in it, and delivered their spans.

    A run of a living process, and one of another compile, stay.
    """
    experiment = uuid.uuid4().hex
    step, other = CompileRun("s"), CompileRun("o")

    def applier() -> OperationApplier:
        destination = Destination(tracking_uri, Experiment(name=experiment))
        return OperationApplier(ExclusiveWriter(destination, threading.Event(), look_up_runs=True))

    killed = applier()
    for run, name, parent in (
        (COMPILE, "compile", None), (TRIAL, "trial", COMPILE), (step, "step", TRIAL), (other, "other", None),
        (TrialRun("c", 1, COMPILE), "ours", COMPILE),
    ):  # fmt: skip
        tags = {HOST_TAG: host(), PROCESSES_TAG: process(os.getpid())} if name == "ours" else {}
        killed.apply(EnsureRun(key="run", run=run, name=name, start_ms=1, parent=parent, tags=tags))
    info = LogTrace(key="info", trace_id=uuid.uuid4().hex, run=TRIAL, start_ms=1, name="example")
    killed.apply(info)
    killed.send_all()
    replay = applier()
    replay.apply(EnsureRun(key="run", run=COMPILE, name="compile", start_ms=1, parent=None, tags={}))
    replay.send_all()
    assert replay.end_open_runs(2) == 3
    replay.send_all()
    replay.end_interrupted_traces()
    assert _states(tracking_uri, experiment) == {
        "compile": ("KILLED", None),
        "trial": ("KILLED", None),
        "step": ("KILLED", None),
        "ours": ("RUNNING", None),
        "other": ("RUNNING", None),
        "trace": ("ERROR", None),
    }
    assert (replay.lost, replay.failed) == (0, 0)


def _states(tracking_uri: str, experiment: str) -> dict[str, tuple[str, str | None]]:
    client = MlflowClient(tracking_uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    runs = client.search_runs([found.experiment_id])
    (trace,) = client.search_traces(locations=[found.experiment_id], include_spans=False)
    return {str(run.info.run_name): (run.info.status, run.data.tags.get(REASON_TAG)) for run in runs} | {
        "trace": (trace.info.state.value, trace.info.tags.get(REASON_TAG))
    }
