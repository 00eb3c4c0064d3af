"""A failure of the telemetry never reaches the user's program: it is logged once and counted."""

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
    """How often each part has failed since the process began: part -> count."""
    with _lock:
        return dict(_failures)


def report(part: str, error: BaseException, *, private: bool = False) -> None:
    """Count a failure of `part`; log the first one with its traceback, the later ones at debug level.

    `private`: what the error says, or one that it came from, may not be told: only its type is.
    """
    with _lock:
        _failures[part] += 1
        first = _failures[part] == 1
    with suppress(Exception):  # a filter or handler of the user's own may raise
        _logger.log(
            logging.WARNING if first else logging.DEBUG,
            "otel-dspy: %s failed%s and was left out; the program goes on unharmed",
            part,
            f" ({type(error).__name__})" if private else "",
            exc_info=None if private else error,
        )


class guarded:  # noqa: N801 - read as a verb: `with guarded("a hook"):`
    """Runs a block of ours whose failure must stay ours. KeyboardInterrupt and the like pass through."""

    # A class, not a generator under `contextmanager`: that takes five times as long, several times a call.
    __slots__ = ("_part",)

    def __init__(self, part: str) -> None:
        self._part = part

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Hold back what is ours."""
        if isinstance(error, Exception):
            report(self._part, error)
            return True
        return False
