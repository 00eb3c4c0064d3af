"""Stale runs: ends runs and traces whose process was killed, from the next process on that host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.error_classification import ErrorClass, classify
from otel_dspy.mlflow.tracking.processes import HOST_TAG, PROCESSES_TAG, have_exited, host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.mlflow.tracking.store import Store

REASON_TAG: Final = "otel_dspy.killed.reason"
"""Tag of a run that was ended here, and of its open traces: the reason."""


@dataclass(frozen=True, slots=True)
class StaleRun:
    """A run that is RUNNING although its processes have exited."""

    run_id: str
    reason: str


def stale_runs(store: Store, experiment_ids: Sequence[str]) -> list[StaleRun]:
    """Return the otel-dspy runs that are RUNNING and whose processes, on this host, have exited.

    Runs of other hosts, of the user and of living processes are not included.

    Args:
        store: the tracking store.
        experiment_ids: the experiments to search.

    Raises:
        Exception: any exception of MLflow and its transports.
    """
    here = host()
    found: list[StaleRun] = []
    for run_id, tags in store.running(experiment_ids, HOST_TAG, here):
        processes = tags.get(PROCESSES_TAG, "")
        if have_exited(processes):
            last = processes.split()[-1].partition("@")[0]
            reason = f"process {last} on {here.split()[0]} exited before it recorded the end of the run"
            found.append(StaleRun(run_id, reason))
    return found


def end_stale_runs(store: Store, experiment_ids: Sequence[str], now_ms: int) -> list[str]:
    """End the experiments' `stale_runs` as KILLED, and their open traces with an error.

    A later replay that contains the actual end of such a run or trace overrides this.

    Args:
        store: the tracking store.
        experiment_ids: the experiments to search.
        now_ms: the end time to set, as the actual one is unknown.

    Returns:
        The ids of the runs that were ended.

    Raises:
        Exception: any exception of MLflow and its transports; calling again resumes where it stopped.
    """
    ended: list[str] = []
    for run in stale_runs(store, experiment_ids):
        reason = {REASON_TAG: run.reason}
        store.log_run(run.run_id, {}, (), reason)
        try:
            store.end_open_traces(experiment_ids, run.run_id, reason)
        except Exception as error:
            # A file store writes a trace info only once. The run must be ended all the same.
            if classify(error) is not ErrorClass.REJECTED:
                raise
        store.end_run(run.run_id, "KILLED", now_ms)
        ended.append(run.run_id)
    return ended
