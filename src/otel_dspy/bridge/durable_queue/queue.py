"""Queue on disk: stores requests in groups, passes them to the writer, deletes them when MLflow has them."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge.durable_queue.database import QueueDatabase
from otel_dspy.bridge.durable_queue.quarantine import Quarantine
from otel_dspy.bridge.durable_queue.queue_error import QueueError
from otel_dspy.bridge.durable_queue.retry_schedule import RetrySchedule
from otel_dspy.bridge.durable_queue.stored_request import NewRequest
from otel_dspy.bridge.foreign_spans import PATIENCE
from otel_dspy.bridge.writer import Delivery

if TYPE_CHECKING:
    from pathlib import Path

    from otel_dspy.bridge.durable_queue.stored_request import QueuedRequest
    from otel_dspy.bridge.pending_request import PendingRequest
    from otel_dspy.bridge.writer import Writer, Written

_logger = logging.getLogger(__name__)

FEED_BYTES: Final = 4 * 1024 * 1024
"""Bytes to read before new requests are stored, which wait meanwhile."""
DISK_PAUSE: Final = 1.0
"""Seconds between attempts while the disk cannot be written or read."""
SILENCE: Final = 60.0
"""Seconds after an error of the disk in which further ones are not logged."""
RETRY_SECONDS: Final = 24 * 3600.0
"""Seconds of failures after which a request counts as rejected."""
REJECTED_SHARE: Final = 10
"""Rejected requests take at most this fraction of the queue's maximum size."""
JOIN: Final = 0.5
"""Seconds to wait for the thread at the end."""

_Appended = tuple[NewRequest, "Future[None]"]


class DurableQueue:
    """Queue on disk with one thread. `append` may be called from any thread."""

    def __init__(
        self, folder: Path, tracking_uri: str, writer: Writer, *, max_bytes: int, max_waiting_bytes: int
    ) -> None:
        """Create a queue; `start` opens it.

        Args:
            folder: where it is stored; one bridge at a time may use it.
            tracking_uri: MLflow that the writer writes to.
            writer: writes the requests.
            max_bytes: maximum size of stored requests in bytes; beyond it `append` returns None.
            max_waiting_bytes: maximum size of requests in memory that are not stored yet, likewise.
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
        self._cursor = 0
        self._last_id = 0
        self._in_flight: set[int] = set()
        self._held: QueuedRequest | None = None
        self._blocked = False
        self._written: dict[int, int] = {}
        self._undecided: deque[tuple[float, int, int]] = deque()
        self._rejected: dict[int, tuple[int, str]] = {}
        self._retries = RetrySchedule()
        self._quarantine = Quarantine()
        self._warned: set[str] = set()
        self._silent_until = 0.0
        self._oldest: float | None = None
        self.requests = 0
        """Number of stored requests, without rejected ones."""
        self.rejected = 0
        """Number of rejected requests that are kept."""
        self.error: str | None = None
        """Why the disk cannot be written; None if it can."""

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
        self._last_id, self._oldest = self._database.last_id(), self._database.oldest()
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
            while not self._drained() and self._writer.failing_since is None and self.error is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(min(left, 0.1))
            self._feeding = False

    def close(self) -> None:
        """Store what the writer has finished, and close the database. Call after `Writer.close`."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._database is None:
            return
        self._thread.join(JOIN)
        if self.requests:
            _logger.info(
                "%d requests (%d bytes) stay in the queue %s; the next bridge with this queue writes them to MLflow",
                self.requests, self._stored, self.folder,
            )  # fmt: skip

    def _drained(self) -> bool:
        busy = self._appended or self._finished or self._in_flight or self._written or self._rejected or self._held
        return not busy and self._cursor >= self._last_id

    def _run(self) -> None:
        assert self._database is not None  # noqa: S101 - `start` opens it before the thread
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work, self._seconds())
                appended, self._appended = self._appended, []
                finished, self._finished = self._finished, []
                closing = self._closing
            for request_id, size, outcome in finished:
                self._settle(request_id, size, outcome)
            while self._undecided and self._undecided[0][0] <= time.monotonic():
                _, request_id, size = self._undecided.popleft()
                self._written[request_id] = size
            self._store(self._database, appended)
            if closing:
                self._database.close()
                return
            self._feed(self._database)

    def _has_work(self) -> bool:
        return bool(self._appended or self._finished or self._closing) or self._can_feed()

    def _can_feed(self) -> bool:
        if not self._feeding or self._blocked or self.error is not None or self._quarantine.current is not None:
            return False
        if self._quarantine.wants():
            return not self._in_flight
        return self._held is not None or self._cursor < self._last_id or self._retries.seconds() == 0

    def _seconds(self) -> float | None:
        """Return how long to wait for an event at most."""
        if self.error is not None:
            return DISK_PAUSE
        due = [seconds for seconds in (self._retries.seconds(), self._quarantine.seconds()) if seconds]
        due += [max(0.0, at - time.monotonic()) for at, *_ in self._undecided][:1]
        return min(due, default=None)

    def _settle(self, request_id: int, size: int, outcome: Future[Written]) -> None:
        """Decide what happens to a request that the writer has finished."""
        self._in_flight.discard(request_id)
        self._blocked = False
        if outcome.cancelled():
            return
        written = outcome.result()
        if written.error:
            self._retries.ended(request_id)
            if not self._quarantine.failed(request_id):
                self._reject(request_id, size, f"cannot be written to MLflow ({written.error})")
            return
        self._quarantine.ended(request_id)
        if written.again:
            if self._retries.failed(request_id, written.failing) < RETRY_SECONDS:
                return
            self._retries.ended(request_id)
            self._reject(request_id, size, "MLflow fails to store it")
            return
        self._retries.ended(request_id)
        if written.lost:
            self._reject(request_id, size, "MLflow rejected a part of it")
        elif written.refused:
            self._reject(request_id, size, min(written.refused))
        elif written.undecided:
            # The writer has some of its spans in memory only; a bridge that is killed reads them again.
            self._undecided.append((time.monotonic() + PATIENCE, request_id, size))
        else:
            self._written[request_id] = size

    def _reject(self, request_id: int, size: int, reason: str) -> None:
        self._rejected[request_id] = (size, reason)
        if reason not in self._warned:
            self._warned.add(reason)
            _logger.warning(
                "A request is kept apart in the queue %s: %s. The next start of the bridge attempts it again; further "
                "requests with this reason are only counted (otel_dspy_bridge_queue_rejected_requests)",
                self.folder, reason,
            )  # fmt: skip

    def _store(self, database: QueueDatabase, appended: list[_Appended]) -> None:
        """Write additions and deletions to disk in one transaction, and acknowledge them."""
        # A request whose client has stopped waiting is skipped: it is sent again.
        chosen = [one for one in appended if one[1].set_running_or_notify_cancel()]
        error: Exception | None = None
        if chosen or self._written or self._rejected or self.error is not None:
            try:
                self._write(database, chosen)
            except Exception as failed:  # noqa: BLE001 - the thread has to go on
                error = failed
            self._report(error)
        with self._changed:
            self._appended_bytes -= sum(new.size for new, _ in appended)
            self._changed.notify_all()
        for _, stored in chosen:
            if error is None:
                stored.set_result(None)
            else:
                stored.set_exception(error if isinstance(error, QueueError) else QueueError(str(error)))

    def _write(self, database: QueueDatabase, chosen: list[_Appended]) -> None:
        reasons = [(request_id, reason) for request_id, (_, reason) in self._rejected.items()]
        database.write([new for new, _ in chosen], list(self._written), reasons)
        gone = [*self._written.values(), *(size for size, _ in self._rejected.values())]
        self.requests += len(chosen) - len(gone)
        self._stored += sum(new.size for new, _ in chosen) - sum(gone)
        rejected, self._rejected, self._written = len(self._rejected), {}, {}
        if chosen:
            self._last_id = database.last_id()
        self._oldest = database.oldest()
        if rejected:
            dropped = database.limit_rejected(self._max_bytes // REJECTED_SHARE)
            self.rejected = database.rejected()
            if dropped and "limit" not in self._warned:
                self._warned.add("limit")
                _logger.warning("The queue %s has no room for more rejected requests: the oldest are lost", self.folder)
        if not self.requests:
            database.shrink()

    def _report(self, error: Exception | None) -> None:
        now = time.monotonic()
        if error is not None and self.error is None and now >= self._silent_until:
            # A full disk may have room for one request and not for the next.
            self._silent_until = now + SILENCE
            _logger.error("%s; clients are asked to send requests again", error)
        elif error is None and self.error is not None:
            _logger.debug("The queue %s can be written again", self.folder)
        self.error = str(error) if error is not None else None

    def _feed(self, database: QueueDatabase) -> None:
        """Pass requests to the writer while it has room."""
        read = 0
        try:
            while read < FEED_BYTES and self._can_feed():
                found = self._next(database)
                if found is None:
                    continue
                read += found.size
                self._pass_on(found)
        except Exception as error:  # noqa: BLE001 - the thread has to go on
            self._report(error)

    def _next(self, database: QueueDatabase) -> QueuedRequest | None:
        if self._quarantine.wants():
            alone = self._quarantine.next()
            found = database.get(alone)
            if found is None:
                self._quarantine.ended(alone)
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
        self._cursor = found.id if found is not None else self._last_id
        return found

    def _pass_on(self, found: QueuedRequest) -> None:
        delivery = Delivery(found.request, found.size)
        # Before `submit`: the writer may finish it at once.
        self._in_flight.add(found.id)
        if self._writer.submit(delivery):
            delivery.done.add_done_callback(partial(self._finish, found.id, found.size))
        else:
            self._in_flight.discard(found.id)
            self._blocked, self._held = True, found

    def _finish(self, request_id: int, size: int, outcome: Future[Written]) -> None:
        with self._changed:
            self._finished.append((request_id, size, outcome))
            self._changed.notify_all()
