"""Order in which stored requests are passed to the writer: by arrival, failed ones when due, suspects alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.bridge.durable_queue.interrupted_requests import InterruptedRequests
from otel_dspy.bridge.durable_queue.retry_schedule import RetrySchedule

if TYPE_CHECKING:
    from otel_dspy.bridge.durable_queue.database import QueueDatabase
    from otel_dspy.bridge.durable_queue.retry_schedule import Failing
    from otel_dspy.bridge.durable_queue.stored_request import QueuedRequest

RETRY_SECONDS: Final = 24 * 3600.0
"""Seconds of failures after which a request is given up."""


class RequestOrder:
    """Which request is next, by id. Not thread-safe, except that `idle` may be read on any thread."""

    def __init__(self) -> None:
        self.last_id = 0
        """Id of the newest stored request."""
        self._cursor = 0
        self._in_flight: set[int] = set()
        self._held: QueuedRequest | None = None
        self._blocked = False
        self._retries = RetrySchedule()
        self._interrupted = InterruptedRequests()

    @property
    def idle(self) -> bool:
        """Whether the writer has no request, and each one was passed to it at least once."""
        return not (self._in_flight or self._held) and self._cursor >= self.last_id

    @property
    def available(self) -> bool:
        """Whether a request can be passed to the writer now."""
        if self._blocked or self._interrupted.current is not None:
            return False
        if self._interrupted.wants():
            return not self._in_flight
        return self._held is not None or self._cursor < self.last_id or self._retries.seconds() == 0

    def seconds(self) -> float | None:
        """Return the seconds until a failed request is due; None if none will be before another event."""
        return min((due for due in (self._retries.seconds(), self._interrupted.seconds()) if due), default=None)

    def next(self, database: QueueDatabase) -> QueuedRequest | None:
        """Return the next request, which is in flight from now on; None if it no longer exists.

        Args:
            database: what the requests are read from.

        Raises:
            QueueError: the disk cannot be read.
        """
        found = self._chosen(database)
        if found is not None:
            self._in_flight.add(found.id)
        return found

    def _chosen(self, database: QueueDatabase) -> QueuedRequest | None:
        if self._interrupted.wants():
            alone = self._interrupted.next()
            found = database.get(alone)
            if found is None:
                self._interrupted.ended(alone)
            return found
        if self._held is not None:
            found, self._held = self._held, None
            return found
        due = self._retries.next()
        if due is not None:
            found = database.get(due)
            if found is None:
                self._retries.ended(due)
            return found
        found = database.after(self._cursor)
        self._cursor = found.id if found is not None else self.last_id
        return found

    def put_back(self, request: QueuedRequest) -> None:
        """Keep a request for which the writer has no room: it is the next one, once another has ended."""
        self._in_flight.discard(request.id)
        self._blocked, self._held = True, request

    def returned(self, request_id: int) -> None:
        """Note that the writer has finished with a request, in whatever way: it has room."""
        self._in_flight.discard(request_id)
        self._blocked = False

    def interrupted(self, request_id: int) -> bool:
        """Attempt a request alone, after an unexpected error; return False if it has failed alone too often."""
        self._retries.ended(request_id)
        return self._interrupted.failed(request_id)

    def failed(self, request_id: int, failing: Failing) -> bool:
        """Attempt a request again later; return False if it has failed for `RETRY_SECONDS`.

        Args:
            request_id: the request.
            failing: the destinations at which it failed.
        """
        self._interrupted.ended(request_id)
        if self._retries.failed(request_id, failing) < RETRY_SECONDS:
            return True
        self._retries.ended(request_id)
        return False

    def ended(self, request_id: int) -> None:
        """Forget a request that was stored or rejected."""
        self._interrupted.ended(request_id)
        self._retries.ended(request_id)
