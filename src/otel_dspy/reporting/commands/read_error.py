"""Message of a command that could not read from MLflow."""

from __future__ import annotations

from typing import Final

from otel_dspy.tracking_uri import address_without_passwords

_LONGEST: Final = 500
"""Maximum characters of a cause."""


def read_error_text(error: Exception, tracking_uri: str | None) -> str:
    """Return which store could not be read, the cause and what to do, in one line without passwords.

    Args:
        error: the error that MLflow or its transport raised.
        tracking_uri: the store; None for MLflow's current one.
    """
    import mlflow  # noqa: PLC0415 - seconds

    from otel_dspy.mlflow.tracking.requests.error_cause import (  # noqa: PLC0415 - the same
        WHILE_UNTRUSTED,
        error_cause,
        untrusted_certificate,
    )

    uri = address_without_passwords(tracking_uri or mlflow.get_tracking_uri())
    cause = error_cause(error, _LONGEST).rstrip(".")
    start = "Start MLflow there, or name another store with --tracking-uri."
    what_to_do = start if untrusted_certificate(error) is None else WHILE_UNTRUSTED
    return f"MLflow at {uri} could not be read: {cause}. {what_to_do}"
