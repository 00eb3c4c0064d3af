"""Segment files of one writer of the spool: lines are appended, read back, and deleted file by file once delivered."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.delivery.spool_folder import SUFFIX, folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: no locks, see `spool_folder`
    fcntl = None

SEGMENT_BYTES: Final = 32 * 1024 * 1024
"""Maximum bytes of one file, so that delivered files can be deleted."""
_BINARY: Final[int] = getattr(os, "O_BINARY", 0)
"""Windows alone has it, and would write two bytes for the end of a line without it."""


_INCOMPLETE: Final = ".restored"
"""Suffix of a file while it is written again: no file of the spool yet."""
_COPIED_AT_ONCE: Final = 1024 * 1024


def _created(path: Path) -> int:
    """Create a file of the spool, and its folder if it is missing; return its descriptor, with a lock."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | _BINARY, 0o600)
    if fcntl is not None:
        with suppress(OSError):  # a file system without locks: `replay` then cannot detect this process
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


@dataclass(slots=True)
class _Segment:
    path: Path
    descriptor: int
    size: int = 0
    last: int = -1
    """Number of the last record in the file."""
    torn: bool = False
    """The file ends with a part of a line: nothing more is written to it."""

    @property
    def is_in_place(self) -> bool:
        """Whether the file is still at its path: not deleted or moved while it is open."""
        if fcntl is None:  # Windows deletes and moves no open file
            return True
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self.descriptor))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # the open file can be written nevertheless
            return True


@dataclass(frozen=True, slots=True)
class SpoolPosition:
    """Start of the next line to read."""

    segment: int
    offset: int


class SpoolSegments:
    """One writer's files of one kind, in order. Not thread-safe, but `read` may run concurrently with `append`."""

    def __init__(self, stem: str, kind: str) -> None:
        """Create the segments; no file is created before the first line.

        Args:
            stem: the result of `new_stem`.
            kind: `control` or `traces`.
        """
        self._stem = stem
        self._kind = kind
        self._segments: dict[int, _Segment] = {}
        self._next = 1
        self._kept: set[int] = set()
        """Segments that are retained after delivery."""

    def append(self, lines: Sequence[tuple[int, bytes]]) -> None:
        """Write lines, without line feeds, each with its record's number (ascending): all of them or none.

        Raises:
            OSError: the lines cannot be written.
        """
        if not lines:
            return
        for written in self._segments.values():
            if not written.is_in_place:
                self._restore(written)
        segment = self._current()
        data = b"".join(line + b"\n" for _, line in lines)
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(segment.descriptor, view) :]
        except OSError:
            # Truncate: a line that is written again must not be duplicated, and a partial line must not be continued.
            try:
                os.ftruncate(segment.descriptor, segment.size)
            except OSError:
                segment.torn = len(view) < len(data)
            raise
        segment.size += len(data)
        segment.last = lines[-1][0]

    def _current(self) -> _Segment:
        if (newest := self._newest) is not None:
            return newest
        path = folder().absolute() / f"{self._stem}-{self._kind}-{self._next:04}{SUFFIX}"
        segment = self._segments[self._next] = _Segment(path, _created(path))
        self._next += 1
        return segment

    @staticmethod
    def _restore(segment: _Segment) -> None:
        """Write a file to its path again, from the one that is still open, as far as nothing else has truncated that.

        Raises:
            OSError: it cannot be written; the open one is unchanged.
        """
        copy = segment.path.with_suffix(_INCOMPLETE)
        copy.unlink(missing_ok=True)
        descriptor = _created(copy)
        try:
            at = 0
            while at < segment.size:
                # Not beyond its size, where a torn line may follow.
                piece = os.pread(segment.descriptor, min(_COPIED_AT_ONCE, segment.size - at), at)
                if not piece:
                    break
                at += os.write(descriptor, piece)
            copy.replace(segment.path)
            # The number stays: a concurrent `read` reads the same lines from either.
            os.dup2(descriptor, segment.descriptor, inheritable=False)
            segment.torn = at < segment.size
            segment.size = at
        except OSError:
            copy.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)

    @property
    def _newest(self) -> _Segment | None:
        """Return the segment for the next line; None if a new one has to be created."""
        newest = self._segments.get(self._next - 1)
        if newest is None or newest.torn or newest.size >= SEGMENT_BYTES or self._next - 1 in self._kept:
            return None
        return newest

    @property
    def end(self) -> SpoolPosition:
        """Return the position of the next line to be written."""
        newest = self._newest
        return SpoolPosition(self._next, 0) if newest is None else SpoolPosition(self._next - 1, newest.size)

    def read(self, position: SpoolPosition, count: int, size: int) -> tuple[list[bytes], SpoolPosition]:
        """Read lines from `position` on; return them and the next position.

        Args:
            position: where to begin.
            count: maximum number of lines.
            size: bytes after which no further line is started.

        Raises:
            OSError: the lines cannot be read.
        """
        lines: list[bytes] = []
        number, offset = position.segment, position.offset
        while len(lines) < count and size > 0:
            segment = self._segments.get(number)
            if segment is None:
                break
            with os.fdopen(os.dup(segment.descriptor), "rb") as file:
                file.seek(offset)
                while len(lines) < count and size > 0 and offset < segment.size:
                    line = file.readline()
                    offset += len(line)
                    size -= len(line)
                    lines.append(line)
            # A file without a line, for which the disk had no room, may have been deleted in between.
            following = min((key for key in self._segments if key > number), default=None)
            if offset < segment.size or following is None:
                break
            number, offset = following, 0
        return lines, SpoolPosition(number, offset)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self._segments.values())

    @property
    def paths(self) -> list[Path]:
        """The files that hold lines."""
        return [segment.path for segment in self._segments.values() if segment.size]

    def keep(self) -> None:
        """Retain the current files, even once they are delivered; new lines go to new files."""
        self._kept.update(self._segments)

    @property
    def kept_paths(self) -> list[Path]:
        """The retained files."""
        return [segment.path for key, segment in self._segments.items() if key in self._kept]

    @property
    def wholly_kept(self) -> bool:
        """Whether all files are retained."""
        return self._kept.issuperset(self._segments)

    def delete_until(self, number: int) -> None:
        """Delete the files whose records all have numbers up to `number`, except retained ones."""
        for key, segment in list(self._segments.items()):
            if segment.last <= number and key not in self._kept:
                del self._segments[key]
                with suppress(OSError):
                    segment.path.unlink()  # while it is locked, so that no replay reads it in between
                with suppress(OSError):
                    os.close(segment.descriptor)
                with suppress(OSError):
                    segment.path.unlink(missing_ok=True)  # Windows deletes no open file

    def close(self) -> None:
        """Close the files without deleting them."""
        for segment in self._segments.values():
            with suppress(OSError):
                os.close(segment.descriptor)
        self._segments.clear()
