"""Texts on what has stopped an optimization, a trial or an evaluation before its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

STOPS: Final[Mapping[str, str]] = {
    "KeyboardInterrupt": "stopped by the user",
    "CancelledError": "canceled",
    "Cancelled": "canceled",  # trio's
    "SystemExit": "ended by its program",
    "GeneratorExit": "ended by its program",
    "BudgetExceeded": "stopped at its budget",
}
"""What stops a program from outside, or at its budget, by the name of the exception."""
TERMINATED: Final = "was terminated (SIGTERM)"
"""Part of the reason of a run whose process received the signal."""
SHUT_DOWN: Final = "the tracer provider was shut down"
"""Part of the reason of a run whose process may continue."""


def is_stop(error_type: str | None) -> bool:
    """Return whether an exception stopped the program: an example that it interrupted has no result and did not fail.

    Args:
        error_type: type of the exception, which may be qualified and followed by a colon and the message.
    """
    return stop_text(error_type) is not None


def stop_text(error: str | None, reason: str | None = None) -> str | None:
    """Format how something was stopped before its end: `stopped by the user`; None if it was not stopped.

    Args:
        error: type of its exception, which may be qualified and followed by a colon and the message.
        reason: why its run was ended without an exception, if it was.
    """
    if error is None and reason is not None:
        if SHUT_DOWN in reason:
            return "no longer recorded"
        return "terminated" if TERMINATED in reason else "ended with its process"
    return STOPS.get((error or "").partition(":")[0].rpartition(".")[2])
