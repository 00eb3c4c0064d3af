"""Usage of a past optimization by role, from the summary of its run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_dspy import semconv
from otel_dspy.mlflow.mapping.artifacts.summary import SUMMARY
from otel_dspy.mlflow.tracking_uri import without_passwords
from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.latest import LATEST
from otel_dspy.reporting.runs.connection import connected
from otel_dspy.reporting.runs.json_artifacts import RunArtifacts
from otel_dspy.reporting.runs.run_search import find_run, latest_run
from otel_dspy.reporting.runs.summary_rows import mapping, number, uses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient
    from mlflow.entities import Run

    from otel_dspy.reporting.trials.trial_row import ModelUse


@dataclass(frozen=True)
class PastUsage:
    """Usage of an optimization."""

    run_id: str
    optimizer: str
    duration: float
    """Seconds."""
    by_role: Mapping[str, ModelUse]
    cache_hits: int
    """Calls that DSPy's cache answered, which have no tokens."""


def past_usage(tracking_uri: str, run: str, program: str, experiment: str | None = None) -> PastUsage:
    """Read the usage of an optimization.

    Args:
        tracking_uri: the store.
        run: id of its run, or `latest` for the last finished optimization of a program of this name.
        program: name of the program's class.
        experiment: name of the experiment in which `latest` searches; None for all.

    Raises:
        ReportError: There is no such run, or it has no summary.
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    client = connected(tracking_uri)
    found = _latest(client, tracking_uri, program, experiment) if run == LATEST else find_run(client, run)
    summary = mapping(RunArtifacts(tracking_uri, str(found.info.artifact_uri)).json(SUMMARY))
    if not summary:
        raise ReportError(f"Run {found.info.run_id} ({found.info.run_name}) has no {SUMMARY}.")
    usage = mapping(summary.get("usage"))
    return PastUsage(
        found.info.run_id,
        str(summary.get("optimizer")),
        number(summary.get("duration")) or 0.0,
        uses(usage.get("by_role")),
        int(number(usage.get("cache_hits")) or 0),
    )


def _latest(client: MlflowClient, tracking_uri: str, program: str, experiment: str | None) -> Run:
    wanted = f"attributes.status = 'FINISHED' and tags.`{semconv.DSPY_PROGRAM_NAME}` = '{program}'"
    found = latest_run(client, experiment, wanted)
    if found is not None:
        return found
    where = f"experiment {experiment!r} of " if experiment else ""
    raise ReportError(
        f"There is no finished optimization of a program {program} in {where}{without_passwords(tracking_uri)}. Name a "
        "run by its id."
    )
