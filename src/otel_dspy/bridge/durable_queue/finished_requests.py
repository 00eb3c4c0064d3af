"""Requests that the writer has finished with, until the queue on disk is changed accordingly."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TYPE_CHECKING

from otel_dspy.bridge.foreign_spans import MAX_BUFFERED

if TYPE_CHECKING:
    from pathlib import Path

    from otel_dspy.bridge.delivery import Written
    from otel_dspy.bridge.durable_queue.request_order import RequestOrder

_logger = logging.getLogger(__name__)


class FinishedRequests:
    """Finished requests of one queue. Not thread-safe, except that `empty` may be read on any thread."""

    def __init__(self, folder: Path, order: RequestOrder) -> None:
        """Create an empty collection.

        Args:
            folder: the queue's folder, for log messages.
            order: where requests that have to be attempted again are added.
        """
        self._folder = folder
        self._order = order
        self._undecided: deque[tuple[float, int, int]] = deque()
        self._warned: set[str] = set()
        self.written: dict[int, int] = {}
        """Sizes of the requests that MLflow has stored, by id."""
        self.rejected: dict[int, tuple[int, str]] = {}
        """Sizes of the requests to keep apart, by id, each with the reason."""

    @property
    def empty(self) -> bool:
        """Whether nothing is to be changed on disk."""
        return not (self.written or self.rejected)

    def settle(self, request_id: int, size: int, written: Written) -> None:
        """Decide what happens to a request.

        Args:
            request_id: the request.
            size: bytes that it counts.
            written: the writer's result.
        """
        order = self._order
        if written.error:
            if not order.interrupted(request_id):
                self._reject(request_id, size, f"cannot be written to MLflow ({written.error})")
            return
        if written.again:
            if not order.failed(request_id, written.failing):
                self._reject(request_id, size, "MLflow fails to store it")
            return
        order.ended(request_id)
        if written.lost:
            self._reject(request_id, size, "MLflow rejected a part of it")
        elif written.rejected:
            self._reject(request_id, size, min(written.rejected))
        elif written.undecided:
            # The writer has some of its spans in memory only; a bridge that is killed reads them again.
            self._undecided.append((time.monotonic() + MAX_BUFFERED, request_id, size))
        else:
            self.written[request_id] = size

    def decide_due(self) -> None:
        """Count as stored the requests whose undecided spans have been decided by now."""
        while self._undecided and self._undecided[0][0] <= time.monotonic():
            _, request_id, size = self._undecided.popleft()
            self.written[request_id] = size

    def seconds(self) -> float | None:
        """Return the seconds until `decide_due` has something to do; None if it will not."""
        return max(0.0, self._undecided[0][0] - time.monotonic()) if self._undecided else None

    def clear(self) -> None:
        """Forget the requests that were changed on disk."""
        self.written, self.rejected = {}, {}

    def _reject(self, request_id: int, size: int, reason: str) -> None:
        self.rejected[request_id] = (size, reason)
        if reason not in self._warned:
            self._warned.add(reason)
            _logger.warning(
                "A request is kept apart in the queue %s: %s. The next start of the bridge attempts it again; further "
                "requests with this reason are only counted (otel_dspy_bridge_queue_rejected_requests)",
                self._folder, reason,
            )  # fmt: skip
