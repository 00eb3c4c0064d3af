"""Sizes of a queue's files: one that is smaller than SQLite has left it was truncated by something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_SUFFIXES: Final = ("", "-wal")
"""Of the names of the database and of its write-ahead log."""


class FileSizes:
    """Sizes of the files of one open database.

    SQLite never truncates the database, except to give space back, nor the log to less than its limit.
    """

    def __init__(self, database: Path, wal_limit: int) -> None:
        """Create the record of sizes.

        Args:
            database: the database's file.
            wal_limit: bytes to which SQLite may truncate the log, its `journal_size_limit`.
        """
        self._files = [database.with_name(database.name + suffix) for suffix in _SUFFIXES]
        self._limits = [None, wal_limit]
        self._least = [0, 0]
        self._shrinking = False

    def note(self) -> None:
        """Record the sizes after a write, unless a file was truncated before."""
        if not self._shrinking and not self.truncated:
            for position, size in enumerate(self._sizes()):
                limit = self._limits[position]
                self._least[position] = size if limit is None else min(size, limit)

    @property
    def truncated(self) -> bool:
        """Whether a file is smaller than it was; False if that is unknown."""
        if self._shrinking:
            return False
        return any(size < least for size, least in zip(self._sizes(), self._least, strict=True))

    def begin_shrinking(self) -> None:
        """Expect smaller files until `end_shrinking`: for good, if the disk fails meanwhile."""
        self._shrinking = True

    def end_shrinking(self) -> None:
        """Record the sizes of the smaller files."""
        self._shrinking = False
        self._least = [0, 0]
        self.note()

    def _sizes(self) -> list[int]:
        try:
            return [file.stat().st_size for file in self._files]
        except OSError:  # deleted or moved, which is noticed apart; or the disk fails, or the path is not readable
            return self._least
