"""Queue of pending artifacts, with a retry policy for each artifact store.

The store of an experiment's artifacts (a bucket, a folder) fails independently of the tracking store, and its clients
may block for minutes. So each write runs on its own thread, and the delivery thread waits for it only while the store
is healthy. Artifacts of a failing store stay queued and are retried while parameters, metrics and traces are logged.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.artifact_queue.artifact_write import ArtifactAttempt
from otel_dspy.mlflow.tracking.artifact_queue.store_state import QueuedStore, store_name
from otel_dspy.mlflow.tracking.requests.error_classification import ErrorClass, classify
from otel_dspy.mlflow.tracking.requests.retry import MAX_RETRIES, Stopped
from otel_dspy.mlflow.tracking.store import capabilities

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from otel_dspy.mlflow.tracking.artifact_queue.artifact_write import ArtifactWrite
    from otel_dspy.mlflow.tracking.store.artifact_store import ArtifactContent

MAX_WAIT: Final = 3.0
"""Seconds that the delivery thread waits for a write to a healthy store."""
POLL: Final = 0.05
MAX_CHARACTERS: Final = 64 * 1024 * 1024
"""Maximum size of queued artifacts in memory; beyond it the oldest are left to the spool."""
_OF_THE_SERVER: Final = ("mlflow-artifacts:", "http:", "https:")


class ArtifactQueue:
    """Writes artifacts in order of arrival, each store independently. Not thread-safe: used by one thread."""

    def __init__(
        self,
        write: Callable[[str, str, ArtifactContent], None],
        stop: Event,
        tracking_answers: Callable[[], bool],
        failed: Callable[[], None],
    ) -> None:
        """Create a queue.

        Args:
            write: writes an artifact: artifact URI, path, content. Called on other threads.
            stop: set when the deadline has passed.
            tracking_answers: returns, once the tracking server responds, whether it did at the first attempt. For
                artifacts that are proxied by it.
            failed: called for each artifact that is given up and stays in the spool.
        """
        self._write = write
        self._stop = stop
        self._tracking_answers = tracking_answers
        self._failed = failed
        self._stores: dict[str, QueuedStore] = {}
        self.retries = 0
        """Number of attempts beyond the first of each artifact."""

    def add(self, artifact: ArtifactWrite) -> None:
        """Queue an artifact; `send` writes it."""
        name = store_name(artifact.uri)
        store = self._stores.setdefault(name, QueuedStore(name))
        store.waiting.append(artifact)
        # The first may be in progress.
        while len(store.waiting) > 2 and sum(one.size for one in store.waiting) > MAX_CHARACTERS:  # noqa: PLR2004 - that one and another
            del store.waiting[1]
            self._failed()

    @property
    def waiting(self) -> int:
        """Number of artifacts not written. May be read on any thread."""
        return sum(len(store.waiting) for store in tuple(self._stores.values()))

    @property
    def failing_since(self) -> float | None:
        """`time.monotonic()` since which a store accepts nothing; None if all do. May be read on any thread."""
        since = (store.failing_since for store in tuple(self._stores.values()) if store.waiting)
        return min((at for at in since if at is not None), default=None)

    def send(self) -> None:
        """Write the artifacts that are due. Does not block on failing stores.

        Raises:
            Stopped: the deadline has passed.
        """
        for store in tuple(self._stores.values()):
            while store.waiting and self._send_first(store):
                pass

    def give_up(self) -> None:
        """Leave the queued artifacts to the spool."""
        for store in self._stores.values():
            store.attempt = None  # a write in progress may still succeed
            while store.waiting:
                store.waiting.popleft()
                self._failed()

    def _send_first(self, store: QueuedStore) -> bool:
        """Write the first queued artifact; return whether it is written or given up.

        Raises:
            Stopped: the delivery has been stopped.
        """
        if self._stop.is_set():
            raise Stopped
        attempt = store.attempt
        if attempt is None:
            if time.monotonic() < store.next_at:
                return False
            first = store.waiting[0]
            self.retries += store.failures > 0
            attempt = store.attempt = ArtifactAttempt(
                lambda: self._write(first.uri, first.path, first.content), store.gate, store.failures
            )
        if not self._ended(attempt, store):
            return False
        store.attempt = None
        if attempt.error is None:
            self._succeeded(store)
            return True
        return self._has_failed(store, attempt, attempt.error)

    def _ended(self, attempt: ArtifactAttempt, store: QueuedStore) -> bool:
        if store.failing_since is not None:
            return attempt.done.is_set()
        deadline = time.monotonic() + MAX_WAIT
        while not attempt.done.wait(POLL):
            if self._stop.is_set():
                raise Stopped
            if time.monotonic() >= deadline:
                store.failing_since = time.monotonic()
                return attempt.done.is_set()
        return True

    def _succeeded(self, store: QueuedStore) -> None:
        artifact = store.waiting.popleft()
        store.report_recovery(time.monotonic())
        store.reset()
        if artifact.written is not None:
            artifact.written()

    def _has_failed(self, store: QueuedStore, attempt: ArtifactAttempt, error: Exception) -> bool:
        found = classify(error, attempt.status)
        store.failures += 1
        by_server = store.waiting[0].uri.startswith(_OF_THE_SERVER)
        by_proxy = found is ErrorClass.REJECTED and by_server and attempt.foreign
        if ((found is ErrorClass.WAIT and by_server) or by_proxy) and not self._tracking_answers():
            # The whole server was unavailable, not only its artifacts.
            store.failures = 0
            return False
        found = ErrorClass.RETRY if by_proxy else found
        if found in {ErrorClass.WAIT, ErrorClass.DENIED} or (
            found is ErrorClass.RETRY and store.failures < MAX_RETRIES
        ):
            if found is ErrorClass.DENIED:
                capabilities.forget_clients()
            store.report_outage(found, error, time.monotonic())
            # A client with its own retries may take minutes to fail: it is active for at most half of the time.
            pause = max(store.backoff.next(attempt.retry_after), attempt.seconds)
            store.next_at = time.monotonic() + pause
            return False
        store.report_failure(found, error)
        store.waiting.popleft()
        store.reset()
        self._failed()
        return True
