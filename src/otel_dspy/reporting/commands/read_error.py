"""Message of a command that could not read from MLflow."""

from __future__ import annotations

from otel_dspy.environment.optional_modules import is_installed


def command_read_error(error: Exception, tracking_uri: str | None) -> str:
    """Return which store could not be read, the cause and what to do, in one line without passwords.

    Args:
        error: the error that MLflow or its transport raised.
        tracking_uri: the store; None for MLflow's current one.
    """
    import mlflow  # noqa: PLC0415 - seconds

    from otel_dspy.reporting.runs.read_error import read_error_text  # noqa: PLC0415 - MLflow: seconds

    return read_error_text(error, tracking_uri or mlflow.get_tracking_uri(), "name another store with --tracking-uri")


def store_read_error(error: Exception, tracking_uri: str | None) -> str | None:
    """Return the text of `command_read_error` if the store could not be read; None for an error of another kind.

    Args:
        error: what a function that reads MLflow and does other work raised.
        tracking_uri: the store; None for MLflow's current one.
    """
    if not is_installed("mlflow"):
        return None
    from otel_dspy.reporting.runs.read_error import StoreReadError  # noqa: PLC0415 - MLflow: seconds

    return command_read_error(error, tracking_uri) if isinstance(error, StoreReadError) else None
