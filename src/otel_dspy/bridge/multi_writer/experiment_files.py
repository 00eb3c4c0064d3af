"""Text files below an experiment's artifact location, next to its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_dspy.bridge.multi_writer.concurrent_writer import ConcurrentWriter


class ExperimentFiles:
    """Files of one experiment that several writers read and write, with retries."""

    def __init__(self, writer: ConcurrentWriter) -> None:
        self._writer = writer

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        self._writer.attempts.run("a payload", lambda: self._writer.artifacts.write(self._location(), path, text))

    def names(self, folder: str) -> set[str]:
        """Return the names of the files in a folder."""

        def look() -> set[str]:
            return self._writer.artifacts.reader().artifacts(self._location(), folder)

        found = self._writer.attempts.run("payloads", look)
        return {path.rpartition("/")[2] for path in found or ()}

    def read(self, path: str) -> str | None:
        """Return the text of a file; None if it does not exist."""

        def look() -> str | None:
            return self._writer.artifacts.reader().text(self._location(), path)

        return self._writer.attempts.run("a payload", look)

    def _location(self) -> str:
        connection = self._writer.connection
        return connection.reader().artifact_location(connection.experiment_id())
