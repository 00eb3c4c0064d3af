"""Monitor of requests to an MLflow that accepts connections and does not answer."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

FIRST: Final = 10.0
"""Seconds without an answer until the warning, as long as MLflow has not answered any request. The request itself is
not aborted: it has a timeout of a minute.
"""
LATER: Final = 20.0
"""Seconds until the warning once MLflow has answered a request. A request that takes longer counts as unanswered."""
LOOK: Final = 1.0
"""Seconds between two checks by the thread that warns. It ends after two checks in a row without a request."""


class AnswerMonitor:
    """Monitors the requests to one MLflow, sent on any thread, and warns if an answer takes long."""

    def __init__(self, warn: Callable[[float], None]) -> None:
        """Create a monitor.

        Args:
            warn: called on another thread, once for a request, with the seconds that it has not been answered for.
        """
        self._warn = warn
        self._lock = threading.Lock()
        """Guards `_begun` and `_watching`."""
        self._begun: dict[object, float] = {}
        """`time.monotonic()` of the start of each request that has not been answered."""
        self._answered = False
        self._watching = False

    @contextmanager
    def awaited(self) -> Generator[None]:
        """Run a request, which the block sends; it has been answered if the block does not raise."""
        request = object()
        with self._lock:
            self._begun[request] = time.monotonic()
            start, self._watching = not self._watching, True
        if start:
            self._start()
        try:
            yield
            self._answered = True
        finally:
            with self._lock:
                del self._begun[request]

    @property
    def unanswered_since(self) -> float | None:
        """`time.monotonic()` since which a request counts as unanswered; None if none does.

        It is also None if the user has set MLFLOW_HTTP_REQUEST_TIMEOUT, which limits how long an answer may take.
        """
        oldest = self._oldest()
        if oldest is None or os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT"):
            return None
        since = oldest + LATER
        return since if time.monotonic() >= since else None

    def _oldest(self) -> float | None:
        with self._lock:
            return min(self._begun.values(), default=None)

    def _start(self) -> None:
        # One thread for all requests of a second or so: one for each would cost as much as the request.
        thread = threading.Thread(target=self._watch, name="otel-dspy-answer-monitor", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # at interpreter shutdown no threads can be started
            self._watching = False

    def _watch(self) -> None:
        warned: float | None = None
        idle = False
        while True:
            time.sleep(LOOK)
            with self._lock:
                oldest = min(self._begun.values(), default=None)
                if oldest is None and idle:
                    self._watching = False
                    return
            idle = oldest is None
            limit = LATER if self._answered else FIRST
            if oldest is not None and oldest != warned and time.monotonic() - oldest >= limit:
                warned = oldest
                self._warn(limit)
