"""Artifacts to write, and one attempt to write one, on a thread of its own."""

from __future__ import annotations

import contextvars
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_dspy.mlflow.tracking.requests import http_policy
from otel_dspy.mlflow.tracking.requests.error_classification import retry_after
from otel_dspy.mlflow.tracking.requests.retry_after import MAX_RETRY_AFTER

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.mlflow.tracking.store.artifact_store import ArtifactContent
    from otel_dspy.runtime.fork_gate import ForkGate


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


class ArtifactAttempt:
    """One write, on its own thread."""

    def __init__(self, write: Callable[[], None], gate: ForkGate, failures: int) -> None:
        """Start the write.

        Args:
            write: writes the artifact.
            gate: held during the write, so that the process does not fork in it.
            failures: number of failed attempts before this one.
        """
        self._write = write
        self._gate = gate
        self._failures = failures
        self._began = time.monotonic()
        self.done = threading.Event()
        self.error: Exception | None = None
        self.status: int | None = None
        self.foreign = False
        """Whether the answer is not MLflow's, see `http_policy.is_foreign`."""
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
            self.status, self.foreign = http_policy.last_status(), http_policy.is_foreign()
            delay = http_policy.retry_after() or retry_after(error)
            self.retry_after = min(delay, MAX_RETRY_AFTER) if delay else None
        finally:
            self.seconds = time.monotonic() - self._began
            self.done.set()
