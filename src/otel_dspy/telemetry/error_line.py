"""Text of an exception of the user's code, for the terminal and for log lines."""

from __future__ import annotations

from otel_dspy.telemetry.exceptions import describe
from otel_dspy.telemetry.secrets.scrubber import SecretKeeper


def error_line(error: BaseException) -> str:
    """Return the type's name and the exception's text, without secrets.

    Secrets are the values of environment variables with a secret's name, and what looks like a key or a password: logs
    of CI keep what a command prints.
    """
    return SecretKeeper().scrub(f"{type(error).__name__}: {describe(error)}")
