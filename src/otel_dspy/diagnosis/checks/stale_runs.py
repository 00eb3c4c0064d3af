"""Check for runs that are RUNNING in MLflow although their process has ended."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_dspy.diagnosis.checks.mlflow_store import TRACKING_URI, WORKSPACE
from otel_dspy.diagnosis.finding import Finding, Level
from otel_dspy.environment.boolean_text import boolean_variable
from otel_dspy.environment.optional_modules import is_installed
from otel_dspy.environment.variable_names import REPORT
from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.mlflow.tracking_uri import uri_error, without_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LOCAL: Final = "sqlite:///"


def left_running(environment: Mapping[str, str], *, end: bool) -> Iterator[Finding]:
    """Check for runs that ended processes of this host have left RUNNING.

    Call it without `end` only if `mlflow_store` has found no problem: an MLflow that never answers is waited for.

    Args:
        environment: environment variables; MLFLOW_TRACKING_URI and MLFLOW_WORKSPACE are used.
        end: mark the runs as KILLED.
    """
    uri = environment.get(TRACKING_URI, "")
    if not uri or not is_installed("mlflow") or _would_be_made(uri) or _is_none(uri):
        return
    from otel_dspy.mlflow.tracking.requests import workspaces  # noqa: PLC0415 - MLflow: seconds
    from otel_dspy.mlflow.tracking.requests.http_policy import no_retries  # noqa: PLC0415 - MLflow: seconds
    from otel_dspy.mlflow.tracking.runs.description_tag import describe_stopped_run  # noqa: PLC0415 - MLflow: seconds
    from otel_dspy.mlflow.tracking.runs.stale_runs import (  # noqa: PLC0415 - MLflow: seconds
        end_stale_runs,
        end_traces_of_ended_runs,
        stale_runs,
    )
    from otel_dspy.mlflow.tracking.store.store import Store  # noqa: PLC0415 - MLflow: seconds

    try:
        with no_retries(0), workspaces.selected(environment.get(WORKSPACE, "").strip()):
            store = Store(uri)
            experiments = store.experiment_ids()
            if end:
                ended = end_stale_runs(store, experiments, time.time_ns() // 1_000_000)
                left = len(ended)
                if boolean_variable(environment, REPORT, default=True):
                    for run_id in ended:
                        describe_stopped_run(store, uri, run_id)
                end_traces_of_ended_runs(store, experiments)
            else:
                left = len(stale_runs(store, experiments))
    except Exception as error:  # noqa: BLE001 - MLflow and its transports raise all kinds
        yield Finding(
            "runs",
            Level.PROBLEM if end else Level.NOTE,
            f"could not list runs that were left RUNNING: {without_passwords(str(error))}",
        )
        return
    if end:
        runs, were = counted(left, "run"), "was" if left == 1 else "were"
        yield Finding("runs", Level.OK, f"{runs} left RUNNING by ended processes of this host {were} marked as KILLED")
    elif left == 1:
        yield Finding(
            "runs",
            Level.WARNING,
            "1 run is RUNNING although its process on this host has ended. The next program that writes to its "
            "experiment marks it as KILLED; to do it now, run otel-dspy doctor --end-runs",
        )
    elif left:
        yield Finding(
            "runs",
            Level.WARNING,
            f"{left:,} runs are RUNNING although their processes on this host have ended. The next program that writes "
            "to their experiment marks them as KILLED; to do it now, run otel-dspy doctor --end-runs",
        )
    else:
        yield Finding("runs", Level.OK, "no ended process of this host has left a run RUNNING")


def _would_be_made(uri: str) -> bool:
    """Return whether a query would create the store: a local database that does not exist yet."""
    return uri.startswith(_LOCAL) and not Path(uri.removeprefix(_LOCAL)).exists()


def _is_none(uri: str) -> bool:
    return uri.lower().startswith(("http:", "https:")) and uri_error(uri) is not None
