"""Description of an optimization's run that was stopped, from MLflow."""

from __future__ import annotations

from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.run_description import stopped_description
from otel_dspy.reporting.runs.read import read_unfinished


def describe_stopped(tracking_uri: str, run_id: str) -> str | None:
    """Return the description of a run that has ended as KILLED; None if it is not that of an optimization.

    Args:
        tracking_uri: the store.
        run_id: the run.

    Raises:
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    try:
        found = read_unfinished(tracking_uri, run_id)
    except ReportError:
        return None
    return None if found is None else stopped_description(found)
