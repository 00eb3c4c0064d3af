"""Runs whose process was killed: nobody is left to end them, so the next process on that host does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.processes import HOST_TAG, PROCESSES_TAG, gone, host

if TYPE_CHECKING:
    from otel_dspy.mlflow.tracking.store import Store

REASON_TAG: Final = "otel_dspy.killed.reason"
"""Tag of a run that was ended here: why."""


def end_stale_runs(store: Store, experiment_id: str, now_ms: int) -> list[str]:
    """End, as KILLED, the experiment's runs of ours that are RUNNING and whose processes, on this host, are gone.

    Other hosts' runs, the user's own, and those of a living process stay as they are. When a replay tells later how
    such a run really ended, that stands.

    Args:
        store: where they are.
        experiment_id: whose runs are looked at.
        now_ms: the time that they get as their end: when they really ended nobody knows.

    Returns:
        The ids of the runs that were ended.

    Raises:
        Exception: what MLflow and its transports raise; calling again goes on where it stopped.
    """
    here = host()
    ended: list[str] = []
    for run_id, tags in store.running(experiment_id, HOST_TAG, here):
        processes = tags.get(PROCESSES_TAG, "")
        if gone(processes):
            last = processes.split()[-1].partition("@")[0]
            reason = f"process {last} on {here.split()[0]} was gone before it had told how the run ended"
            store.log_run(run_id, {}, (), {REASON_TAG: reason})
            store.end_run(run_id, "KILLED", now_ms)
            ended.append(run_id)
    return ended
