"""How long an end waits for MLflow, and what it says meanwhile."""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from threading import Event

_logger = logging.getLogger(__name__)

TIMEOUT_VARIABLE: Final = "OTEL_DSPY_MLFLOW_FLUSH_TIMEOUT"
DEFAULT_TIMEOUT: Final = 60.0
"""Seconds that an end waits while MLflow answers, however slowly (a new local database alone may take ten); what is
left then is in the spool.
"""
UNANSWERED: Final = 5.0
"""Seconds that it waits for an MLflow that does not answer."""
QUIET: Final = 1.0
"""Seconds after which it says that it waits, and about so often from then on."""
POLL: Final = 0.1


class Delivery(Protocol):
    """What is waited for."""

    @property
    def waiting(self) -> int:
        """Spans not delivered."""
        ...

    @property
    def failing_since(self) -> float | None:
        """`time.monotonic()` since when nothing is taken; None while it is."""
        ...


@dataclass(frozen=True)
class DrainTimeout:
    """How long to wait.

    Attributes:
        timeout: seconds in all.
        unanswered: seconds while MLflow does not answer.
    """

    timeout: float = DEFAULT_TIMEOUT
    unanswered: float = UNANSWERED

    @classmethod
    def from_environment(cls) -> DrainTimeout:
        """By OTEL_DSPY_MLFLOW_FLUSH_TIMEOUT; what is no number of seconds counts as not set."""
        try:
            timeout = max(0.0, float(os.environ[TIMEOUT_VARIABLE]))
        except (KeyError, ValueError):
            return cls()
        return cls(timeout, min(timeout, UNANSWERED))

    def wait(self, done: Event, delivery: Delivery) -> bool:
        """Wait until `done`, or until there is no point. Says so on standard error when it takes more than a second.

        Returns:
            Whether it was done.
        """
        began = time.monotonic()
        progress = _Progress()
        try:
            while not done.wait(POLL):
                now = time.monotonic()
                failing = delivery.failing_since
                if now - began >= self.timeout:
                    return False
                if failing is not None and now - max(began, failing) >= self.unanswered:
                    return False
                progress.show(now - began, delivery.waiting)
            return True
        finally:
            progress.end()


class _Progress:
    """One line on standard error: rewritten on a terminal, else repeated seldom."""

    def __init__(self) -> None:
        self._next = QUIET
        self._step = QUIET
        self._shown = False

    def show(self, elapsed: float, left: int) -> None:
        # `silent=True` switches off this package's log, and with it this.
        if elapsed < self._next or not _logger.isEnabledFor(logging.WARNING):
            return
        terminal = _is_terminal()
        self._step = 0.5 if terminal else min(self._step * 2, 10.0)
        self._next = elapsed + self._step
        self._shown = True
        text = f"otel-dspy: {left} spans still to be written to MLflow ({elapsed:.0f} s)"
        _write(f"\r{text}\x1b[K" if terminal else f"{text}\n")

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
