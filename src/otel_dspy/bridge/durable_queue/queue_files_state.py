"""State of the queue's files: whether they can be written and read, with the messages about it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge.durable_queue.queue_error import QueueError

if TYPE_CHECKING:
    from pathlib import Path

    from otel_dspy.bridge.durable_queue.database import QueueDatabase

_logger = logging.getLogger(__name__)

SILENCE: Final = 60.0
"""Seconds after an error of the disk in which further ones are not logged."""


class QueueFilesState:
    """Errors of the files of one queue. Used by the queue's thread; others read the properties."""

    def __init__(self, folder: Path) -> None:
        """Create the state of files without errors.

        Args:
            folder: the queue's folder, for the messages.
        """
        self._folder = folder
        self._silent_until = 0.0
        self._moved = False
        self._truncated = False
        self.error: str | None = None
        """Why the files cannot be written; None if they can."""

    @property
    def truncated(self) -> bool:
        """Whether a file was truncated: nothing is accepted, nor read, since that may be wrong."""
        return self._truncated

    @property
    def readable(self) -> bool:
        """Whether stored requests can be read: those of files that were deleted or moved still are."""
        return (self.error is None or self._moved) and not self._truncated

    def look_for_truncation(self, database: QueueDatabase) -> QueueError | None:
        """Return the error if a file is or was truncated."""
        self._truncated = self._truncated or database.truncated
        if not self._truncated:
            return None
        return QueueError(
            f"a file of the queue {self._folder} was truncated while the bridge uses it: delete the folder, and "
            "restart the bridge to create a new one"
        )

    def look(self, database: QueueDatabase) -> QueueError | None:
        """Return why nothing can be accepted: a file is truncated, or the files were deleted or moved."""
        self._moved = database.moved
        if (truncated := self.look_for_truncation(database)) is not None or not self._moved:
            return truncated
        return QueueError(
            f"the queue {self._folder} was deleted or moved while the bridge uses it: move it back, or restart the "
            "bridge to create a new one"
        )

    def record(self, error: Exception | None) -> None:
        """Record the outcome of an access to the files; log an error unless one was logged a moment ago.

        Args:
            error: what failed; None if nothing did.
        """
        now = time.monotonic()
        if error is not None and self.error is None and now >= self._silent_until:
            # A full disk may have room for one request and not for the next.
            self._silent_until = now + SILENCE
            _logger.error("%s; clients are asked to send requests again", error)
        elif error is None and self.error is not None:
            _logger.debug("The queue %s can be written again", self._folder)
        self.error = str(error) if error is not None else None

    def log_remaining(self, database: QueueDatabase, requests: int, size: int) -> None:
        """Log what happens to the requests that are stored when the bridge ends.

        Args:
            database: the queue's database.
            requests: number of stored requests.
            size: their size in bytes.
        """
        if not requests:
            return
        if self._truncated:
            _logger.error(
                "%d requests (%d bytes) were in the queue %s, a file of which was truncated: those that MLflow does "
                "not have are lost", requests, size, self._folder,
            )  # fmt: skip
        elif database.moved:
            _logger.error(
                "%d requests (%d bytes) were in the queue %s, which was deleted or moved: they are lost, unless its "
                "files still exist and a bridge is started with their folder as --queue",
                requests, size, self._folder,
            )  # fmt: skip
        else:
            _logger.info(
                "%d requests (%d bytes) stay in the queue %s; the next bridge with this queue writes them to MLflow",
                requests, size, self._folder,
            )  # fmt: skip
