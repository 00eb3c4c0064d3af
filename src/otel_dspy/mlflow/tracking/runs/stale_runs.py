"""Stale runs: ends runs and traces whose process was killed, from the next process on that host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy import semconv as sc
from otel_dspy.formatting.stop_reasons import stop_text
from otel_dspy.mlflow.mapping.naming import DESCRIPTION, KILLED_REASON, PARENT_RUN
from otel_dspy.mlflow.tracking.requests.error_classification import ErrorClass, classify
from otel_dspy.mlflow.tracking.state.process_identity import HOST_TAG, PROCESSES_TAG, have_exited, host

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_dspy.mlflow.tracking.store.store import Store

REASON_TAG: Final = KILLED_REASON
"""Tag of a run that was ended here, and of its open traces: the reason. Their actual end, if it is recorded after all,
removes it.
"""


@dataclass(frozen=True, slots=True)
class StaleRun:
    """A run that is RUNNING although its processes have exited."""

    run_id: str
    reason: str
    tags: Mapping[str, str]
    """Tags of the run as stored."""


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
        if last := _exited(tags):
            found.append(
                StaleRun(
                    run_id, f"process {last} on {here.split()[0]} exited before it recorded the end of the run", tags
                )
            )
    return found


def trial_description(tags: Mapping[str, str], reason: str | None) -> dict[str, str]:
    """Return the tag that describes the run of a trial whose end was not recorded; none if it has a description.

    Args:
        tags: the run's tags.
        reason: why it is ended, if known.
    """
    if PARENT_RUN not in tags or sc.DSPY_OPTIMIZER_NAME in tags or DESCRIPTION in tags:
        return {}
    stopped = stop_text(None, reason)
    return {DESCRIPTION: f"not completed: {stopped}" if stopped else "not completed"}


def end_traces_of_ended_runs(store: Store, experiment_ids: Sequence[str]) -> int:
    """End, as ERROR, the open traces of runs that have ended and whose processes, on this host, have exited.

    A process that exits between the end of a run and the end of its trace leaves such a trace.

    Args:
        store: the tracking store.
        experiment_ids: the experiments to search.

    Returns:
        How many runs had such traces.

    Raises:
        Exception: any exception of MLflow and its transports; calling again resumes where it stopped.
    """
    if not experiment_ids:
        return 0  # MLflow's client fails on a search of no experiment
    here = host()
    count = 0
    for run_id in store.traces.runs_with_open_traces(experiment_ids):
        run = store.stored_run(run_id)
        last = _exited(run.tags) if not run.running and run.tags.get(HOST_TAG) == here else None
        if last is not None:
            reason = f"process {last} on {here.split()[0]} exited before it recorded the end of the trace"
            count += _end_traces(store, experiment_ids, run_id, reason)
    return count


def _exited(tags: Mapping[str, str]) -> str | None:
    """Return the id of the last of a run's processes, if all of them have exited."""
    processes = tags.get(PROCESSES_TAG, "")
    return processes.split()[-1].partition("@")[0] if have_exited(processes) else None


def _end_traces(store: Store, experiment_ids: Sequence[str], run_id: str, reason: str) -> bool:
    try:
        store.traces.end_open_traces(experiment_ids, run_id, {REASON_TAG: reason})
    except Exception as error:
        # A file store writes a trace info only once. The run must be ended all the same.
        if classify(error) not in {ErrorClass.REJECTED, ErrorClass.AMBIGUOUS}:
            raise
        return False
    return True


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
        store.log_run(run.run_id, {}, (), {REASON_TAG: run.reason} | trial_description(run.tags, run.reason))
        _end_traces(store, experiment_ids, run.run_id, run.reason)
        store.end_run(run.run_id, "KILLED", now_ms)
        ended.append(run.run_id)
    return ended
