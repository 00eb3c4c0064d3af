"""Queue of pending artifacts, with a retry policy for each artifact store.

The store of an experiment's artifacts (a bucket, a folder) fails independently of the tracking store, and its clients
may block for minutes. So each write runs on its own thread, and the delivery thread waits for it only while the store
is healthy. Artifacts of a failing store stay queued and are retried while parameters, metrics and traces are logged. A
store that accepts artifacts gets several at the same time: a distant one takes a round trip for each.
"""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.artifact_queue.artifact_write import ArtifactAttempt
from otel_dspy.mlflow.tracking.artifact_queue.store_state import QueuedStore, store_name
from otel_dspy.mlflow.tracking.requests.error_classification import ErrorClass, classify
from otel_dspy.mlflow.tracking.requests.retry import MAX_RETRIES, Stopped
from otel_dspy.mlflow.tracking.store import capabilities
from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from otel_dspy.mlflow.tracking.artifact_queue.artifact_write import ArtifactWrite
    from otel_dspy.mlflow.tracking.store.artifact_store import ArtifactContent

MAX_WAIT: Final = 3.0
"""Seconds that the delivery thread waits for a write to a healthy store."""
POLL: Final = 0.05
AT_ONCE: Final = 4
"""Maximum number of writes to a store at the same time."""
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
        """Queue an artifact; `begin` and `send` write it."""
        name = store_name(artifact.uri)
        # A server whose runs were created takes artifacts as well, as far as is known.
        by_server = artifact.uri.startswith(_OF_THE_SERVER)
        store = self._stores.setdefault(name, QueuedStore(name, accepts=by_server))
        store.waiting.append(artifact)
        begun = max(1, len(store.attempts))
        while len(store.waiting) > begun + 1 and store.characters > MAX_CHARACTERS:
            del store.waiting[begun]
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

    def begin(self) -> None:
        """Begin to write the artifacts that are due. Waits, like `send`, only where many are in memory.

        Raises:
            Stopped: the deadline has passed.
        """
        self._send(wait=False)

    def send(self) -> None:
        """Write the artifacts that are due. Does not block on failing stores.

        Raises:
            Stopped: the deadline has passed.
        """
        self._send(wait=True)

    def _send(self, *, wait: bool) -> None:
        for store in tuple(self._stores.values()):
            while store.waiting and self._send_first(store, wait=wait or store.characters > MAX_CHARACTERS // 2):
                pass

    def give_up(self) -> None:
        """Leave the queued artifacts to the spool."""
        for store in self._stores.values():
            store.attempts.clear()  # writes in progress may still succeed
            while store.waiting:
                store.waiting.popleft()
                self._failed()

    def _send_first(self, store: QueuedStore, *, wait: bool) -> bool:
        """Write the first queued artifact; return whether it is written or given up.

        Args:
            store: its store.
            wait: whether to wait for the write if the store is healthy.

        Raises:
            Stopped: the delivery has been stopped.
        """
        if self._stop.is_set():
            raise Stopped
        self._begin(store)
        attempt = store.attempts[0]
        if attempt is None or not (self._ended(attempt, store) if wait else attempt.done.is_set()):
            return False
        if attempt.error is None:
            self._succeeded(store)
            return True
        return self._has_failed(store, attempt, attempt.error)

    def _begin(self, store: QueuedStore) -> None:
        """Begin to write the first queued artifact if it is due, and those after it if the store accepts artifacts."""
        attempts, waiting = store.attempts, store.waiting
        if not attempts:
            attempts.append(None)
        if attempts[0] is None:
            if time.monotonic() < store.next_at:
                return
            self.retries += store.failures > 0
            attempts[0] = self._attempt(waiting[0], store.failures)
        targets = {(one.uri, one.path) for one in islice(waiting, len(attempts))}
        for following in islice(waiting, len(attempts), AT_ONCE):
            # Of two contents of one file the later has to be written last.
            if not store.accepts or (following.uri, following.path) in targets:
                break
            targets.add((following.uri, following.path))
            attempts.append(self._attempt(following, 0))

    def _attempt(self, artifact: ArtifactWrite, failures: int) -> ArtifactAttempt:
        # A gate of its own: a gate lets in one thread at a time.
        return ArtifactAttempt(lambda: self._write(artifact.uri, artifact.path, artifact.content), ForkGate(), failures)

    def _ended(self, attempt: ArtifactAttempt, store: QueuedStore) -> bool:
        if store.failing_since is not None:
            return attempt.done.is_set()
        deadline = time.monotonic() + MAX_WAIT
        while not attempt.done.wait(POLL):
            if self._stop.is_set():
                raise Stopped
            if time.monotonic() >= deadline:
                store.failing_since, store.accepts = time.monotonic(), False
                return attempt.done.is_set()
        return True

    def _succeeded(self, store: QueuedStore) -> None:
        artifact = store.take_first()
        store.report_recovery(time.monotonic())
        store.reset()
        store.accepts = True
        if artifact.written is not None:
            artifact.written()

    def _has_failed(self, store: QueuedStore, attempt: ArtifactAttempt, error: Exception) -> bool:
        found = classify(error, attempt.status)
        store.attempts[0], store.accepts = None, False
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
        store.take_first()
        store.reset()
        self._failed()
        return True
