"""Guard around instrumentation code: errors are counted and logged, and never reach the application."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import TracebackType

_logger = logging.getLogger("otel_dspy")
_lock = threading.Lock()
_failures: Final[Counter[str]] = Counter()


def failures() -> dict[str, int]:
    """Return the number of failures since the start of the process: part -> count."""
    with _lock:
        return dict(_failures)


def report(part: str, error: BaseException, *, private: bool = False) -> None:
    """Count a failure and log it: the first of each part as a warning with its traceback, later ones at DEBUG level.

    Args:
        part: name of the part that failed, as a noun phrase.
        error: the exception.
        private: log only the exception's type, because its message or that of its cause may contain content.
    """
    with _lock:
        _failures[part] += 1
        first = _failures[part] == 1
    with suppress(Exception):  # a user's log filter or handler may raise
        _logger.log(
            logging.WARNING if first else logging.DEBUG,
            "otel-dspy: %s failed%s and was skipped; the application is not affected",
            part,
            f" ({type(error).__name__})" if private else "",
            exc_info=None if private else error,
        )


class guarded:  # noqa: N801 - read as a verb: `with guarded("a hook"):`
    """Context manager that reports and suppresses exceptions. KeyboardInterrupt and SystemExit propagate."""

    # A class, because a `contextmanager` generator takes five times as long, several times a call.
    __slots__ = ("_part",)

    def __init__(self, part: str) -> None:
        self._part = part

    def __enter__(self) -> None:
        """Enter the block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Report and suppress an exception of the block."""
        if isinstance(error, Exception):
            report(self._part, error)
            return True
        return False
