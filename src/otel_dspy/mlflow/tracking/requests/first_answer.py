"""Warning about an MLflow that accepts connections and has not answered its first request."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    from collections.abc import Generator

_logger = logging.getLogger(__name__)

WARN_AFTER: Final = 10.0
"""Seconds without an answer before the warning. The request goes on until its own timeout, a minute."""


class FirstAnswer:
    """Waits for the first answer of one MLflow, and warns once if it takes long."""

    def __init__(self, address: str, consequence: str) -> None:
        """Create it.

        Args:
            address: the tracking URI, for the warning.
            consequence: what happens to the data meanwhile, as a sentence.
        """
        self._address = address
        self._consequence = consequence
        self._settled = False
        """Whether MLflow has answered, or the warning was logged."""
        # Not the gate of the attempt, which is held while the request waits.
        self._gate = ForkGate()

    @contextmanager
    def awaited(self) -> Generator[None]:
        """Run a request, which the block sends; it has been answered if the block does not raise."""
        if self._settled:
            yield
            return
        timer = threading.Timer(WARN_AFTER, self._warn)
        timer.name, timer.daemon = "otel-dspy-first-answer", True
        with suppress(RuntimeError):  # at interpreter shutdown no threads can be started
            timer.start()
        try:
            yield
        finally:
            timer.cancel()
        self._settled = True

    def _warn(self) -> None:
        if not self._settled:
            self._settled = True
            with self._gate:
                _logger.warning(
                    "MLflow at %s has not answered for %.0f s; still waiting for it. %s",
                    self._address,
                    WARN_AFTER,
                    self._consequence,
                )
