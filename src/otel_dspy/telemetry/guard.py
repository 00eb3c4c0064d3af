"""A failure of the telemetry never reaches the user's program: it is logged once and counted."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator

_logger = logging.getLogger("otel_dspy")
_lock = threading.Lock()
_failures: Final[Counter[str]] = Counter()


def failures() -> dict[str, int]:
    """How often each part has failed since the process began: part -> count."""
    with _lock:
        return dict(_failures)


def report(part: str, error: Exception) -> None:
    """Count a failure of `part`; log the first one with its traceback, the later ones at debug level."""
    with _lock:
        _failures[part] += 1
        first = _failures[part] == 1
    with suppress(Exception):  # a filter or handler of the user's own may raise
        _logger.log(
            logging.WARNING if first else logging.DEBUG,
            "otel-dspy: %s failed and was left out; the program goes on unharmed",
            part,
            exc_info=error,
        )


@contextmanager
def guarded(part: str) -> Generator[None]:
    """Run a block of ours whose failure must stay ours. KeyboardInterrupt and the like pass through."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, it is ours and must not reach the user
        report(part, error)
