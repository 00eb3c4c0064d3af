"""Queue of pending artifacts, with a retry policy for each artifact store.

The store of an experiment's artifacts (a bucket, a folder) fails independently of the tracking store, and its clients
may block for minutes. So each write runs on its own thread, and the delivery thread waits for it only while the store
is healthy. Artifacts of a failing store stay queued and are retried while parameters, metrics and traces are logged.
"""

from __future__ import annotations

import contextvars
import logging
import re
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.mapping import naming
from otel_dspy.mlflow.tracking.requests import http_policy
from otel_dspy.mlflow.tracking.requests.error_classification import ErrorClass, classify, retry_after
from otel_dspy.mlflow.tracking.requests.retry import MAX_RETRIES, SILENCE, Backoff, Stopped
from otel_dspy.mlflow.tracking.requests.retry_after import MAX_RETRY_AFTER
from otel_dspy.mlflow.tracking.store import capabilities
from otel_dspy.runtime.fork_gate import ForkGate
from otel_dspy.tracking_uri import address_without_passwords, without_passwords

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from otel_dspy.mlflow.tracking.store.store import ArtifactContent

_logger = logging.getLogger(__name__)

PATIENCE: Final = 3.0
"""Seconds that the delivery thread waits for a write to a healthy store."""
POLL: Final = 0.05
MAX_CHARACTERS: Final = 64 * 1024 * 1024
"""Maximum size of queued artifacts in memory; beyond it the oldest are left to the spool."""
_LOCATION: Final = re.compile(r"(.*?)/(?:(?:models|traces)/)?[^/]+/artifacts/?")
"""Matches an experiment's artifact location, followed by MLflow's path of a run, a model or a trace."""
_SHARED: Final = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*://[^/]*", re.IGNORECASE)
"""Matches a bucket or a server, which is one store whatever the path."""
_OF_THE_SERVER: Final = ("mlflow-artifacts:", "http:", "https:")
_ADVICE: Final = (
    "Make it writable here, or have the server take artifacts (`mlflow server --artifacts-destination`, and an "
    "experiment made with it)"
)
_IN_THE_SPOOL: Final = "they stay in the spool for `otel-dspy replay`"


@dataclass(frozen=True, slots=True)
class ArtifactWrite:
    """An artifact, or a folder of artifacts, to write.

    Attributes:
        uri: artifact URI of the run or model.
        path: path below it.
        content: a text, or the folder's files by name.
        written: called on the queue's thread after the write; must not raise.
    """

    uri: str
    path: str
    content: ArtifactContent
    written: Callable[[], None] | None = None

    @property
    def size(self) -> int:
        """Size of the content in memory: characters, or bytes."""
        return len(self.content) if isinstance(self.content, str) else sum(map(len, self.content.values()))


class _Attempt:
    """One write, on its own thread."""

    def __init__(self, write: Callable[[], None], gate: ForkGate, failures: int) -> None:
        self._write = write
        self._gate = gate
        self._failures = failures
        self._began = time.monotonic()
        self.done = threading.Event()
        self.error: Exception | None = None
        self.status: int | None = None
        self.retry_after: float | None = None
        self.seconds = 0.0
        context = contextvars.copy_context()  # carries the suppression of tracing
        try:
            threading.Thread(target=context.run, args=(self._run,), name="otel-dspy-artifact", daemon=True).start()
        except RuntimeError:  # at interpreter shutdown no threads can be started
            self._run()

    def _run(self) -> None:
        try:
            with self._gate, http_policy.no_retries(self._failures):
                self._write()
        except Exception as error:  # noqa: BLE001 - clients of object stores raise all kinds
            self.error = error
            self.status = http_policy.last_status()
            delay = http_policy.retry_after() or retry_after(error)
            self.retry_after = min(delay, MAX_RETRY_AFTER) if delay else None
        finally:
            self.seconds = time.monotonic() - self._began
            self.done.set()


@dataclass(slots=True)
class _Store:
    """One artifact store and its queued artifacts."""

    name: str
    waiting: deque[ArtifactWrite] = field(default_factory=deque[ArtifactWrite])
    attempt: _Attempt | None = None
    backoff: Backoff = field(default_factory=Backoff)
    next_at: float = 0.0
    failures: int = 0
    """Failures of the first queued artifact."""
    failing_since: float | None = None
    warned: float | None = None
    reported: set[ErrorClass] = field(default_factory=set[ErrorClass])
    gate: ForkGate = field(default_factory=ForkGate)


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
        self._stores: dict[str, _Store] = {}
        self.retries = 0
        """Number of attempts beyond the first of each artifact."""

    def add(self, artifact: ArtifactWrite) -> None:
        """Queue an artifact; `send` writes it."""
        name = store_name(artifact.uri)
        store = self._stores.setdefault(name, _Store(name))
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

    def _send_first(self, store: _Store) -> bool:
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
            attempt = store.attempt = _Attempt(
                lambda: self._write(first.uri, first.path, first.content), store.gate, store.failures
            )
        if not self._ended(attempt, store):
            return False
        store.attempt = None
        if attempt.error is None:
            self._succeeded(store)
            return True
        return self._has_failed(store, attempt, attempt.error)

    def _ended(self, attempt: _Attempt, store: _Store) -> bool:
        if store.failing_since is not None:
            return attempt.done.is_set()
        deadline = time.monotonic() + PATIENCE
        while not attempt.done.wait(POLL):
            if self._stop.is_set():
                raise Stopped
            if time.monotonic() >= deadline:
                store.failing_since = time.monotonic()
                return attempt.done.is_set()
        return True

    def _succeeded(self, store: _Store) -> None:
        artifact = store.waiting.popleft()
        if store.warned is not None and store.failing_since is not None:
            _logger.info("%s accepts artifacts again after %.0f s", store.name, time.monotonic() - store.failing_since)
        store.failures, store.next_at, store.failing_since, store.backoff = 0, 0.0, None, Backoff()
        if artifact.written is not None:
            artifact.written()

    def _has_failed(self, store: _Store, attempt: _Attempt, error: Exception) -> bool:
        found = classify(error, attempt.status)
        store.failures += 1
        by_server = store.waiting[0].uri.startswith(_OF_THE_SERVER)
        if found is ErrorClass.WAIT and by_server and not self._tracking_answers():
            # The whole server was unavailable, not only its artifacts.
            store.failures = 0
            return False
        if found in {ErrorClass.WAIT, ErrorClass.DENIED} or (
            found is ErrorClass.RETRY and store.failures < MAX_RETRIES
        ):
            if found is ErrorClass.DENIED:
                capabilities.forget_clients()
            self._report_outage(store, found, error)
            # A client with its own retries may take minutes to fail: it is active for at most half of the time.
            pause = max(store.backoff.next(attempt.retry_after), attempt.seconds)
            store.next_at = time.monotonic() + pause
            return False
        self._report_failure(store, found, error)
        store.waiting.popleft()
        store.failures, store.next_at, store.failing_since, store.backoff = 0, 0.0, None, Backoff()
        self._failed()
        return True

    def _report_outage(self, store: _Store, found: ErrorClass, error: Exception) -> None:
        now = time.monotonic()
        again = store.failures > 1 or (store.warned is not None and now - store.warned < SILENCE)
        store.failing_since = store.failing_since or now
        if again:
            return
        store.warned = now
        what = (
            "rejects this process' credentials; renew them. Artifacts are retried until it accepts them"
            if found is ErrorClass.DENIED
            else "does not accept artifacts; they are retried until it does"
        )
        _log(store, f"The artifact store {store.name} {what}, everything else is logged", error)

    def _report_failure(self, store: _Store, found: ErrorClass, error: Exception) -> None:
        if found in store.reported:
            return
        store.reported.add(found)
        if found is ErrorClass.UNWRITABLE:
            what = (
                f"Artifacts cannot be written to {store.name} on this machine; {_IN_THE_SPOOL}, "
                f"everything else is logged. {_ADVICE}"
            )
        else:
            what = (
                f"The artifact store {store.name} failed to store {store.waiting[0].path}; artifacts that it does not "
            )
            what += "accept stay in the spool for `otel-dspy replay`, everything else is logged"
        _log(store, what, error)


def _log(store: _Store, what: str, error: Exception) -> None:
    text = without_passwords(f"{what}: {error}")[: naming.MAX_PREVIEW]
    with store.gate:
        _logger.warning("%s", text)


def store_name(artifact_uri: str) -> str:
    """Return the artifact store of a run's or model's artifact URI, without passwords: a bucket, a server or a path."""
    shared = _SHARED.match(artifact_uri)
    if shared is not None:
        return address_without_passwords(shared[0])
    location = _LOCATION.fullmatch(artifact_uri)
    return address_without_passwords(location[1] if location is not None else artifact_uri)
