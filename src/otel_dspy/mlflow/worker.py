"""One daemon thread between the user's threads and MLflow, with a bounded queue before it."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.context import RootKind
from otel_dspy.mlflow.pipeline import Pipeline

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from otel_dspy.mlflow.routing import Route

_logger = logging.getLogger(__name__)

MAX_SPANS: Final = 50_000
MAX_CHARACTERS: Final = 256 * 1024 * 1024
"""Bounds of the queue: spans, and characters of their string attributes. Beyond either, spans of example traces and of
plain calls are dropped; those that tell of the optimisation never are.
"""
TICK: Final = 0.25
"""Seconds that the thread sleeps at most while spans wait for company."""


class Worker:
    """Takes ended spans, returns at once, hands them to a `Pipeline` in order."""

    def __init__(self, max_spans: int = MAX_SPANS, max_characters: int = MAX_CHARACTERS) -> None:
        self._max_spans = max_spans
        self._max_characters = max_characters
        self.dropped = 0
        """Spans that were dropped because the queue was full."""
        self._reset()
        itself: weakref.ref[Worker] = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _after_fork(itself))

    def _reset(self) -> None:
        """An empty queue and no thread: at the beginning, and in a forked child (whose spans are its own alone)."""
        self._queue: deque[tuple[ReadableSpan, Route, int] | threading.Event] = deque()
        self._characters = 0
        self._taken = 0
        self._ready = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._closed = False
        self._pipeline = Pipeline(self._stop)

    def put(self, span: ReadableSpan, route: Route) -> None:
        """Queue an ended span; drop it if the queue is full and it may be dropped."""
        size = sum(len(value) for value in (span.attributes or {}).values() if isinstance(value, str))
        with self._ready:
            if self._closed:
                return
            full = len(self._queue) >= self._max_spans or self._characters + size > self._max_characters
            if full and route.context.kind in {RootKind.EXAMPLE, RootKind.CALL}:
                self.dropped += 1
                if self.dropped == 1:
                    _logger.warning(
                        "MLflow takes spans more slowly than they come: example traces are dropped from now on. "
                        "Runs, scores and programs are not."
                    )
                return
            self._queue.append((span, route, size))
            self._characters += size
            self._start()
            self._ready.notify()

    @property
    def lost(self) -> int:
        """Operations that MLflow did not take, and spans that were dropped."""
        return self._pipeline.lost + self.dropped

    def flush(self, timeout: float) -> bool:
        """Wait until all that was queued has been delivered or refused.

        Args:
            timeout: seconds.

        Returns:
            False if the time ran out.
        """
        done = threading.Event()
        with self._ready:
            if self._thread is None:
                return True
            self._queue.append(done)
            self._ready.notify()
        return done.wait(timeout)

    def drain(self, patience: float) -> bool:
        """Wait as long as MLflow goes on taking what was queued.

        Args:
            patience: seconds without a single span delivered after which waiting has no point.

        Returns:
            False if it stopped taking.
        """
        done = threading.Event()
        with self._ready:
            if self._thread is None:
                return True
            self._queue.append(done)
            self._ready.notify()
        while True:
            before = self._taken
            if done.wait(patience):
                return True
            if self._taken == before:
                _logger.warning("MLflow has taken nothing for %.0f s: %d spans are lost", patience, len(self._queue))
                return False

    def close(self, timeout: float) -> bool:
        """Flush, then take nothing more and end the thread.

        Args:
            timeout: seconds; what is not delivered by then is given up.

        Returns:
            False if something was given up.
        """
        delivered = self.flush(timeout)
        with self._ready:
            self._closed = True
            waiting = len(self._queue)
            self._ready.notify()
        self._stop.set()
        if not delivered:
            _logger.warning("MLflow did not take everything within %.0f s: %d spans are lost", timeout, waiting)
        if self._pipeline.lost:
            _logger.warning("MLflow did not take %d operations", self._pipeline.lost)
        return delivered

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="otel-dspy-mlflow", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._ready:
                if not self._queue and not self._closed:
                    self._ready.wait(TICK)
                if not self._queue and self._closed:
                    return
                item = self._queue.popleft() if self._queue else None
                if isinstance(item, tuple):
                    self._characters -= item[2]
            try:
                if isinstance(item, threading.Event):
                    self._pipeline.send_all()
                elif item is not None:
                    self._pipeline.process(item[0], item[1])
                self._taken += item is not None
                self._pipeline.send_due()
            except Exception:
                _logger.exception("A span could not be told to MLflow")
            finally:
                if isinstance(item, threading.Event):
                    item.set()


def _after_fork(worker: weakref.ref[Worker]) -> None:
    found = worker()
    if found is not None:
        found._reset()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the class' own hook
