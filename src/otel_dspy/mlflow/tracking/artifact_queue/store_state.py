"""One artifact store as the queue sees it: its queued artifacts, its failures and their log messages."""

from __future__ import annotations

import logging
import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.mapping import naming
from otel_dspy.mlflow.tracking.artifact_queue.artifact_write import ArtifactWrite
from otel_dspy.mlflow.tracking.requests.error_cause import exception_chain
from otel_dspy.mlflow.tracking.requests.error_classification import ErrorClass
from otel_dspy.mlflow.tracking.requests.outage_log import SILENCE
from otel_dspy.mlflow.tracking.requests.retry import Backoff
from otel_dspy.mlflow.tracking.store.temporary_folder import NoTemporaryFolderError
from otel_dspy.mlflow.tracking_uri import address_without_passwords, without_passwords
from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    from otel_dspy.mlflow.tracking.artifact_queue.artifact_write import ArtifactAttempt

_logger = logging.getLogger(__name__)

_LOCATION: Final = re.compile(r"(.*?)/(?:(?:models|traces)/)?[^/]+/artifacts/?")
"""Matches an experiment's artifact location, followed by MLflow's path of a run, a model or a trace."""
_SHARED: Final = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*://[^/]*", re.IGNORECASE)
"""Matches a bucket or a server, which is one store whatever the path."""
_ADVICE: Final = (
    "Make it writable here, or have the server take artifacts (`mlflow server --artifacts-destination`, and an "
    "experiment made with it)"
)
_IN_THE_SPOOL: Final = "they stay in the spool for `otel-dspy replay`"


@dataclass(slots=True)
class QueuedStore:
    """One artifact store and its queued artifacts."""

    name: str
    waiting: deque[ArtifactWrite] = field(default_factory=deque[ArtifactWrite])
    attempts: deque[ArtifactAttempt | None] = field(default_factory=deque["ArtifactAttempt | None"])
    """Writes of the first queued artifacts, in progress or ended; None where one is due at `next_at`."""
    accepts: bool = False
    """Whether several artifacts may be written at the same time: the last write succeeded."""
    backoff: Backoff = field(default_factory=Backoff)
    next_at: float = 0.0
    failures: int = 0
    """Number of failed attempts to write the first queued artifact."""
    failing_since: float | None = None
    warned: float | None = None
    reported: set[ErrorClass] = field(default_factory=set[ErrorClass])
    gate: ForkGate = field(default_factory=ForkGate)

    @property
    def characters(self) -> int:
        """Size of the queued artifacts."""
        return sum(one.size for one in self.waiting)

    def take_first(self) -> ArtifactWrite:
        """Remove and return the first queued artifact, which is written or given up.

        After failures the next one is attempted anew if it failed meanwhile: that was the same outage.
        """
        self.attempts.popleft()
        following = self.attempts[0] if self.attempts else None
        if self.failures and following is not None and following.done.is_set() and following.error is not None:
            self.attempts[0] = None
        return self.waiting.popleft()

    def reset(self) -> None:
        """Reset the failures: the first queued artifact is written or given up."""
        self.failures, self.next_at, self.failing_since, self.backoff = 0, 0.0, None, Backoff()

    def report_recovery(self, now: float) -> None:
        """Log that the store accepts artifacts again, if its outage was logged; `now` is `time.monotonic()`."""
        if self.warned is not None and self.failing_since is not None:
            _logger.info("%s accepts artifacts again after %.0f s", self.name, now - self.failing_since)

    def report_outage(self, found: ErrorClass, error: Exception, now: float) -> None:
        """Record that the store fails, and log it once an outage.

        Args:
            found: the class of the error.
            error: why the last attempt failed.
            now: `time.monotonic()`.
        """
        again = self.failures > 1 or (self.warned is not None and now - self.warned < SILENCE)
        self.failing_since = self.failing_since or now
        if again:
            return
        self.warned = now
        what = (
            "rejects this process' credentials; renew them. Artifacts are retried until it accepts them"
            if found is ErrorClass.DENIED
            else "does not accept artifacts; they are retried until it does"
        )
        self._log(f"The artifact store {self.name} {what}, everything else is logged", error)

    def report_failure(self, found: ErrorClass, error: Exception) -> None:
        """Log, once for each class of errors, that the first queued artifact is given up.

        Args:
            found: the class of the error.
            error: why the last attempt failed.
        """
        if found in self.reported:
            return
        self.reported.add(found)
        if any(isinstance(cause, NoTemporaryFolderError) for cause in exception_chain(error)):
            what = (
                f"Artifacts cannot be written without a folder for temporary files; {_IN_THE_SPOOL}, everything else "
                "is logged. Set TMPDIR to a folder that can be written"
            )
        elif found is ErrorClass.UNWRITABLE:
            what = (
                f"Artifacts cannot be written to {self.name} on this machine; {_IN_THE_SPOOL}, "
                f"everything else is logged. {_ADVICE}"
            )
        else:
            what = (
                f"The artifact store {self.name} failed to store {self.waiting[0].path}; artifacts that it does not "
                "accept stay in the spool for `otel-dspy replay`, everything else is logged"
            )
        self._log(what, error)

    def _log(self, what: str, error: Exception) -> None:
        text = without_passwords(f"{what}: {error}")[: naming.MAX_PREVIEW]
        with self.gate:
            _logger.warning("%s", text)


def store_name(artifact_uri: str) -> str:
    """Return the artifact store of a run's or model's artifact URI, without passwords: a bucket, a server or a path."""
    shared = _SHARED.match(artifact_uri)
    if shared is not None:
        return address_without_passwords(shared[0])
    location = _LOCATION.fullmatch(artifact_uri)
    return address_without_passwords(location[1] if location is not None else artifact_uri)
