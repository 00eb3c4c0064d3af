"""A trace batch on its way to the server, sent by a thread of its own while the next one is encoded."""

from __future__ import annotations

import threading
import time
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_dspy.mlflow.tracking.requests.concurrent_requests import count_cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.mlflow.tracking.store.traces.trace_batch import BatchAnswer


@dataclass(frozen=True, slots=True)
class BatchResponse:
    """Outcome of an attempt to send a batch.

    Attributes:
        attempted: whether it was sent: not if nothing is to be sent any more.
        answered: whether the server responded.
        answer: what the server has written; None if that is unknown, or it takes no batches.
    """

    attempted: bool = True
    answered: bool = False
    answer: BatchAnswer | None = None


class BatchInFlight:
    """A batch that is being sent."""

    def __init__(self, positions: range, send: Callable[[], BatchResponse]) -> None:
        """Begin to send it.

        Args:
            positions: positions of its writes among those of the caller.
            send: sends it; must not raise.
        """
        self.positions = positions
        self._send = send
        self._response = BatchResponse()
        self._seconds = 0.0
        # A copy of the context keeps instrumentations of HTTP clients from tracing the request.
        self._thread = threading.Thread(
            target=copy_context().run, args=[self._run], name="otel-dspy-mlflow-batch", daemon=True
        )
        self._started = True
        try:
            self._thread.start()
        except RuntimeError:  # at interpreter shutdown no threads can be started
            self._started = False
            self._response = send()

    def _run(self) -> None:
        self._response = self._send()
        self._seconds = time.thread_time()

    def response(self) -> BatchResponse:
        """Wait for the response, and return it."""
        if self._started:
            self._thread.join()
            count_cpu_seconds(self._seconds)
        return self._response
