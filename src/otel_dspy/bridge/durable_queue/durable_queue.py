"""Queue on disk: stores requests in groups, passes them to the writer, deletes them when MLflow has them."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge.delivery import Delivery
from otel_dspy.bridge.durable_queue.database import QueueDatabase
from otel_dspy.bridge.durable_queue.finished_requests import FinishedRequests
from otel_dspy.bridge.durable_queue.queue_error import QueueError
from otel_dspy.bridge.durable_queue.queue_files_state import QueueFilesState
from otel_dspy.bridge.durable_queue.recent_requests import RecentRequests
from otel_dspy.bridge.durable_queue.request_order import RequestOrder
from otel_dspy.bridge.durable_queue.stored_request import NewRequest

if TYPE_CHECKING:
    from pathlib import Path

    from otel_dspy.bridge.delivery import Written
    from otel_dspy.bridge.durable_queue.stored_request import QueuedRequest
    from otel_dspy.bridge.pending_request import PendingRequest
    from otel_dspy.bridge.request_writer import RequestWriter

_logger = logging.getLogger(__name__)

FEED_BYTES: Final = 4 * 1024 * 1024
"""Bytes to read before new requests are stored, which wait meanwhile."""
DISK_PAUSE: Final = 1.0
"""Seconds between attempts while the disk cannot be written or read."""
JOIN: Final = 0.5
"""Seconds to wait for the thread at the end."""

_Appended = tuple[NewRequest, "Future[None]"]


class DurableQueue:
    """Queue on disk with one thread. `append` may be called from any thread."""

    def __init__(
        self, folder: Path, tracking_uri: str, writer: RequestWriter, *, max_bytes: int, max_waiting_bytes: int
    ) -> None:
        """Create a queue; `start` opens it.

        Args:
            folder: where it is stored; one bridge at a time may use it.
            tracking_uri: MLflow that the writer writes to.
            writer: writes the requests.
            max_bytes: maximum size of stored requests in bytes; beyond it `append` returns None.
            max_waiting_bytes: maximum size in bytes of requests in memory that are not stored yet; beyond it `append`
                returns None too.
        """
        self.folder = folder
        self._tracking_uri = tracking_uri
        self._writer = writer
        self._max_bytes = max_bytes
        self._max_waiting_bytes = max_waiting_bytes
        self._database: QueueDatabase | None = None
        self._thread = threading.Thread(target=self._run, name="otel-dspy-bridge-queue", daemon=True)
        self._changed = threading.Condition()
        # Guarded by `_changed`:
        self._appended: list[_Appended] = []
        self._appended_bytes = 0
        self._finished: list[tuple[int, int, Future[Written]]] = []
        self._closing = False
        # Of the thread alone, except that other threads read the numbers:
        self._feeding = True
        self._stored = 0
        self._order = RequestOrder()
        self._recent = RecentRequests()
        self._done = FinishedRequests(folder, self._order)
        self._files = QueueFilesState(folder)
        self._limit_reported = False
        self._oldest: float | None = None
        self.requests = 0
        """Number of stored requests, without rejected ones."""
        self.rejected = 0
        """Number of rejected requests that are kept."""

    @property
    def error(self) -> str | None:
        """Why the disk cannot be written; None if it can."""
        return self._files.error

    @property
    def bytes(self) -> int:
        """Bytes of stored requests and of those that are being stored."""
        return self._stored + self._appended_bytes

    @property
    def full(self) -> bool:
        """Whether no further request is accepted."""
        return self.bytes >= self._max_bytes

    @property
    def oldest_seconds(self) -> float:
        """Seconds since the oldest stored request was received; 0 if there is none."""
        return max(0.0, time.time() - self._oldest) if self._oldest is not None else 0.0

    def start(self) -> None:
        """Open the database and start the thread.

        Raises:
            QueueError: the folder cannot be written, another bridge uses it, or its requests are for another MLflow.
        """
        self._database = QueueDatabase(self.folder, self._tracking_uri)
        self.requests, self._stored = self._database.totals()
        self._order.last_id, self._oldest = self._database.last_id(), self._database.oldest()
        if self.requests:
            _logger.info(
                "%d requests (%d bytes) are in the queue %s and are written to MLflow now",
                self.requests, self._stored, self.folder,
            )  # fmt: skip
        self._thread.start()

    def append(self, request: PendingRequest) -> Future[None] | None:
        """Store a request; the future is done once it is on disk, or raises a `QueueError`. None if there is no room.

        Args:
            request: the request, which has been checked.
        """
        new, stored = NewRequest(request, time.time()), Future[None]()
        with self._changed:
            # A request larger than a bound is accepted while nothing else waits.
            full = self.bytes and self.bytes + new.size > self._max_bytes
            busy = self._appended_bytes and self._appended_bytes + new.size > self._max_waiting_bytes
            if self._closing or full or busy:
                return None
            self._appended.append((new, stored))
            self._appended_bytes += new.size
            self._changed.notify()
        return stored

    def drain(self, patience: float) -> None:
        """Wait until MLflow has all requests, except those that wait for a retry; then pass no more to the writer.

        Args:
            patience: seconds to wait at most. While MLflow accepts nothing, the wait ends at once.
        """
        deadline = time.monotonic() + patience
        with self._changed:
            while not self._drained() and self._writer.failing_since is None and self._files.readable:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(min(left, 0.1))
            self._feeding = False

    def close(self) -> None:
        """Store what the writer has finished, and close the database. Call after `RequestWriter.close`."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._database is None:
            return
        self._thread.join(JOIN)
        self._files.log_remaining(self._database, self.requests, self._stored)

    def _drained(self) -> bool:
        return not (self._appended or self._finished) and self._done.empty and self._order.idle

    def _run(self) -> None:
        assert self._database is not None  # noqa: S101 - `start` opens it before the thread
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work, self._seconds())
                appended, self._appended = self._appended, []
                finished, self._finished = self._finished, []
                closing = self._closing
            for request_id, size, outcome in finished:
                self._order.returned(request_id)
                if not outcome.cancelled():
                    self._done.settle(request_id, size, outcome.result())
            self._done.decide_due()
            self._store(self._database, appended)
            if closing:
                self._database.close()
                return
            self._feed(self._database)

    def _has_work(self) -> bool:
        return bool(self._appended or self._finished or self._closing) or self._can_feed()

    def _can_feed(self) -> bool:
        return self._feeding and self._files.readable and self._order.available

    def _seconds(self) -> float | None:
        """Return how long to wait for an event at most."""
        if self.error is not None:
            return DISK_PAUSE
        due = (self._order.seconds(), self._done.seconds())
        return min((seconds for seconds in due if seconds is not None), default=None)

    def _store(self, database: QueueDatabase, appended: list[_Appended]) -> None:
        """Write additions and deletions to disk in one transaction, and acknowledge them."""
        # A request whose client has stopped waiting is skipped: it is sent again.
        chosen = [one for one in appended if one[1].set_running_or_notify_cancel()]
        error: Exception | None = None
        if chosen or not self._done.empty or self.error is not None:
            error = self._files.look(database)
            try:
                if not self._files.truncated:
                    self._write(database, chosen if error is None else [])
            except Exception as failed:  # noqa: BLE001 - the thread has to go on
                error = failed
            self._files.record(error)
        with self._changed:
            self._appended_bytes -= sum(new.size for new, _ in appended)
            self._changed.notify_all()
        for _, stored in chosen:
            if error is None:
                stored.set_result(None)
            else:
                stored.set_exception(error if isinstance(error, QueueError) else QueueError(str(error)))

    def _write(self, database: QueueDatabase, chosen: list[_Appended]) -> None:
        written, rejected = self._done.written, self._done.rejected
        reasons = [(request_id, reason) for request_id, (_, reason) in rejected.items()]
        database.write([new for new, _ in chosen], list(written), reasons)
        gone = [*written.values(), *(size for size, _ in rejected.values())]
        self.requests += len(chosen) - len(gone)
        self._stored += sum(new.size for new, _ in chosen) - sum(gone)
        self._done.clear()
        if chosen:
            self._order.last_id = database.last_id()
            self._recent.add(self._order.last_id, [new for new, _ in chosen])
        self._oldest = database.oldest()
        if rejected:
            dropped = database.limit_rejected(self._max_bytes)
            self.rejected = database.rejected()
            if dropped and not self._limit_reported:
                self._limit_reported = True
                _logger.warning("The queue %s has no room for more rejected requests: the oldest are lost", self.folder)
        if not self.requests:
            database.shrink()

    def _feed(self, database: QueueDatabase) -> None:
        """Pass requests to the writer while it has room."""
        read = 0
        try:
            while read < FEED_BYTES and self._can_feed():
                found = self._order.next(database)
                if found is None:
                    continue
                read += found.size
                if (truncated := self._files.look_for_truncation(database)) is not None:
                    self._files.record(truncated)
                    return
                self._pass_on(self._recent.parsed(found))
        except Exception as error:  # noqa: BLE001 - the thread has to go on
            self._files.record(self._files.look_for_truncation(database) or error)

    def _pass_on(self, found: QueuedRequest) -> None:
        delivery = Delivery(found.request, found.size)
        if self._writer.submit(delivery):
            delivery.done.add_done_callback(partial(self._finish, found.id, found.size))
        else:
            self._order.put_back(found)

    def _finish(self, request_id: int, size: int, outcome: Future[Written]) -> None:
        with self._changed:
            self._finished.append((request_id, size, outcome))
            self._changed.notify_all()
