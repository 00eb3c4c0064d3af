"""Deadline and progress output of the drain at process exit."""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from otel_dspy.environment.quantities import number_of_seconds
from otel_dspy.environment.variable_names import FLUSH_TIMEOUT

if TYPE_CHECKING:
    from threading import Event

_logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT: Final = 60.0
"""Seconds to wait while MLflow responds, however slowly (creating a local database may take ten). What is left then
stays in the spool.
"""
UNANSWERED: Final = 5.0
"""Seconds to wait for an MLflow that does not respond."""
QUIET: Final = 1.0
"""Seconds before the first progress line, and the initial interval between lines."""
STALLED: Final = 3.0
"""Seconds without a delivered span from which the progress line has these instead of a rate."""
SHOWN: Final = 0.05
"""Share of the spans that must be delivered before the progress line has a rate. Runs are written first, which are few
spans and most of the requests: the rest would seem to take minutes.
"""
POLL: Final = 0.1


class Delivery(Protocol):
    """Progress of a delivery."""

    @property
    def undelivered(self) -> int:
        """Number of spans that MLflow has not accepted."""
        ...

    @property
    def failing_since(self) -> float | None:
        """`time.monotonic()` of the first failed request of the current outage; None if there is no outage."""
        ...


@dataclass(frozen=True)
class DrainTimeout:
    """Deadlines of a drain.

    Attributes:
        timeout: seconds in total.
        unanswered: seconds while MLflow does not respond.
    """

    timeout: float = DEFAULT_TIMEOUT
    unanswered: float = UNANSWERED

    @classmethod
    def from_environment(cls) -> DrainTimeout:
        """Read OTEL_DSPY_MLFLOW_FLUSH_TIMEOUT; an invalid number of seconds is logged and counts as not set."""
        text = os.environ.get(FLUSH_TIMEOUT, "").strip()
        if not text:
            return cls()
        try:
            timeout = number_of_seconds(text)
        except ValueError as error:
            _logger.warning("%s: %s. Using the default of %.0f s.", FLUSH_TIMEOUT, error, DEFAULT_TIMEOUT)
            return cls()
        return cls(timeout, min(timeout, UNANSWERED))

    def wait(self, done: Event, delivery: Delivery) -> bool:
        """Wait until `done` is set or a deadline has passed. Prints progress to standard error after one second.

        Returns:
            Whether `done` was set.
        """
        began = time.monotonic()
        progress = _Progress(delivery.undelivered)
        try:
            while not done.wait(POLL):
                now = time.monotonic()
                failing = delivery.failing_since
                if now - began >= self.timeout:
                    return False
                if failing is not None and now - max(began, failing) >= self.unanswered:
                    return False
                progress.show(now - began, delivery.undelivered)
            return True
        finally:
            progress.end()


class _Progress:
    """Progress line on standard error: rewritten on a terminal, otherwise printed at growing intervals."""

    def __init__(self, left: int) -> None:
        self._first = left
        self._next = QUIET
        self._step = QUIET
        self._shown = False
        self._left = left
        self._changed = 0.0
        """Seconds from the beginning to the last span that was delivered."""

    def show(self, elapsed: float, left: int) -> None:
        if left < self._left:
            self._changed = elapsed
        self._left = left
        # `silent=True` disables this package's log, and the progress line with it.
        if elapsed < self._next or not _logger.isEnabledFor(logging.WARNING):
            return
        terminal = _is_terminal()
        self._step = 0.5 if terminal else min(self._step * 2, 10.0)
        self._next = elapsed + self._step
        self._shown = True
        spans = "1 span" if left == 1 else f"{left} spans"
        text = f"otel-dspy: {spans} not yet delivered to MLflow ({elapsed:.0f} s{self._rest(elapsed, left)})"
        _write(f"\r{text}\x1b[K" if terminal else f"{text}\n")

    def _rest(self, elapsed: float, left: int) -> str:
        """Return the rate so far, and how long the rest takes at that rate; nothing before `SHOWN` of the spans.

        If none has been delivered lately, return for how long: MLflow's database may be locked by another process.
        """
        if (stalled := elapsed - self._changed) >= STALLED:
            return f", none of them for {stalled:.0f} s"
        delivered = self._first - left
        if delivered <= 0 or delivered < self._first * SHOWN:
            return ""
        return f", {delivered / elapsed:.0f} a second, about {left * elapsed / delivered:.0f} s left"

    def end(self) -> None:
        if self._shown and _is_terminal():
            _write("\r\x1b[K")


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):
        return False


def _write(text: str) -> None:
    with suppress(AttributeError, OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()
