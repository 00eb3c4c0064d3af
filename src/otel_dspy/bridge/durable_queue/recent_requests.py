"""Requests whose spans are still parsed when they are read from the queue: the writer need not parse them again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.bridge.durable_queue.stored_request import NewRequest, QueuedRequest
    from otel_dspy.bridge.pending_request import PendingRequest


class RecentRequests:
    """Stored requests with parsed spans, whose memory is bounded (`parsed_spans`), by id. Not thread-safe."""

    def __init__(self) -> None:
        self._requests: dict[int, PendingRequest] = {}

    def add(self, last_id: int, stored: Sequence[NewRequest]) -> None:
        """Add the requests of a transaction.

        Args:
            last_id: id of the last of them.
            stored: the requests, in order.
        """
        for request_id, new in enumerate(stored, last_id - len(stored) + 1):
            if new.request.parsed:
                self._requests[request_id] = new.request

    def parsed(self, found: QueuedRequest) -> QueuedRequest:
        """Return a request that was read from the disk with its parsed spans, once, if it has them."""
        known = self._requests.pop(found.id, None)
        return replace(found, request=known) if known == found.request else found
