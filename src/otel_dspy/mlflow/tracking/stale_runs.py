"""Runs whose process was killed: nobody is left to end them and their traces, so the next process on that host does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.error_classification import ErrorClass, classify
from otel_dspy.mlflow.tracking.processes import HOST_TAG, PROCESSES_TAG, gone, host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.mlflow.tracking.store import Store

REASON_TAG: Final = "otel_dspy.killed.reason"
"""Tag of a run that was ended here, and of its open traces: why."""


@dataclass(frozen=True, slots=True)
class StaleRun:
    """A run that is RUNNING though nobody is left to end it."""

    run_id: str
    reason: str


def stale_runs(store: Store, experiment_ids: Sequence[str]) -> list[StaleRun]:
    """The runs of ours that are RUNNING and whose processes, on this host, are gone.

    Other hosts' runs, the user's own, and those of a living process are none.

    Args:
        store: where they are.
        experiment_ids: whose runs are looked at.

    Raises:
        Exception: what MLflow and its transports raise.
    """
    here = host()
    found: list[StaleRun] = []
    for run_id, tags in store.running(experiment_ids, HOST_TAG, here):
        processes = tags.get(PROCESSES_TAG, "")
        if gone(processes):
            last = processes.split()[-1].partition("@")[0]
            reason = f"process {last} on {here.split()[0]} was gone before it had told how the run ended"
            found.append(StaleRun(run_id, reason))
    return found


def end_stale_runs(store: Store, experiment_ids: Sequence[str], now_ms: int) -> list[str]:
    """End the experiments' `stale_runs` as KILLED, and their open traces with an error.

    When a replay tells later how such a run or trace really ended, that stands.

    Args:
        store: where they are.
        experiment_ids: whose runs are looked at.
        now_ms: the time that they get as their end: when they really ended nobody knows.

    Returns:
        The ids of the runs that were ended.

    Raises:
        Exception: what MLflow and its transports raise; calling again goes on where it stopped.
    """
    ended: list[str] = []
    for run in stale_runs(store, experiment_ids):
        reason = {REASON_TAG: run.reason}
        store.log_run(run.run_id, {}, (), reason)
        try:
            store.end_open_traces(experiment_ids, run.run_id, reason)
        except Exception as error:
            # A store of files writes a head once. The run must end all the same.
            if classify(error) is not ErrorClass.REFUSED:
                raise
        store.end_run(run.run_id, "KILLED", now_ms)
        ended.append(run.run_id)
    return ended
