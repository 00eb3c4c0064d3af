"""The `Retry-After` header of a response."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

MAX_RETRY_AFTER: Final = 300.0
"""Maximum `Retry-After` in seconds that is honored."""


def retry_after_seconds(headers: Any) -> float | None:  # noqa: ANN401 - headers of any HTTP client
    """Return the seconds of `Retry-After`; None without one, and for the date form, which rate limiters do not use."""
    for name in ("Retry-After", "retry-after"):
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            return float(headers[name])
    return None
