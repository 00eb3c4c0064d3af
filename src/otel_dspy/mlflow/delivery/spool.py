"""The spool: where spans stand on disk until MLflow has them. One folder, files for their owner only.

A process writes files of its own: `TIME-PID-NUMBER-control-0001.jsonl` for compiles and evaluations,
`TIME-PID-NUMBER-traces-0001.jsonl` for example traces and plain calls, the next of each when one has grown large. A
file that a living process writes is locked.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

try:
    import fcntl
except ImportError:  # Windows: no locks, so `replay` cannot tell a living process' file
    fcntl = None

FOLDER_VARIABLE: Final = "OTEL_DSPY_SPOOL_DIR"
MAX_BYTES_VARIABLE: Final = "OTEL_DSPY_SPOOL_MAX_BYTES"
DEFAULT_MAX_BYTES: Final = 1024**3
"""Bytes on disk, of one process, beyond which new example traces are dropped."""
SEGMENT_BYTES: Final = 32 * 1024 * 1024
"""Bytes after which a new file is begun, so that what is delivered can go."""
SUFFIX: Final = ".jsonl"
CLAIMED: Final = "a living process writes or replays it; replay it when that has ended"
"""What to say of a file of which `claimed` gives nothing."""
OURS: Final = "otel_dspy.spool."
"""Prefix of the resource attributes that tell where a span was to go; none of the span's own."""

_numbers = itertools.count(1)


def folder() -> Path:
    """The spool's folder: OTEL_DSPY_SPOOL_DIR, else `otel-dspy/spool` in XDG_STATE_HOME, else in `~/.local/state`."""
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "otel-dspy" / "spool"


def max_bytes() -> int:
    """OTEL_DSPY_SPOOL_MAX_BYTES; what is no number counts as not set."""
    try:
        return int(os.environ[MAX_BYTES_VARIABLE])
    except (KeyError, ValueError):
        return DEFAULT_MAX_BYTES


def new_stem() -> str:
    """Beginning of the names of one writer's files."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}-{next(_numbers)}"


@contextmanager
def claimed(path: Path) -> Generator[BinaryIO | None]:
    """The file to read, for nobody else meanwhile; None if a living process writes or replays it.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        yield file if _locked(file) else None


def _locked(file: BinaryIO) -> bool:
    """Whether nobody else has it, as far as its file system can tell."""
    if fcntl is None:
        return True
    # Over NFS a file that is only read takes no exclusive lock; a shared one tells of its writer at least.
    for lock in (fcntl.LOCK_EX, fcntl.LOCK_SH):
        try:
            fcntl.flock(file, lock | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            continue
        return True
    return True


def in_use(path: Path) -> bool:
    """Whether a living process writes or replays the file.

    Raises:
        OSError: it cannot be read.
    """
    with claimed(path) as file:
        return file is None


class SpoolName(NamedTuple):
    """What the name of a spool file tells.

    Attributes:
        writer: of one process' files all the same.
        kind: `control` or `traces`.
        number: of the writer's files of that kind, from 1.
    """

    writer: str
    kind: str
    number: int


def spool_name(path: Path) -> SpoolName | None:
    """What the file's name tells; None where no process names its files so."""
    found = re.fullmatch(r"(\d{8}T\d{6}Z-\d+-\d+)-(control|traces)-(\d{4,})\.jsonl", path.name)
    return SpoolName(found[1], found[2], int(found[3])) if found else None


@dataclass(slots=True)
class _Segment:
    path: Path
    descriptor: int
    size: int = 0
    last: int = -1
    """Number of the last record in it."""
    torn: bool = False
    """Beyond `size` there is part of a line, which could not be truncated: nothing more is written to it."""


@dataclass(frozen=True, slots=True)
class SpoolPosition:
    """Where the next line begins that a `Reader` has not read."""

    segment: int
    offset: int


class Journal:
    """One writer's files of one kind, in order. Not thread-safe, but for `read`, which may run beside `append`."""

    def __init__(self, stem: str, kind: str) -> None:
        """Create it; nothing is written before the first line.

        Args:
            stem: what `new_stem` gave.
            kind: `control` or `traces`.
        """
        self._stem = stem
        self._kind = kind
        self._segments: dict[int, _Segment] = {}
        self._next = 1
        self._kept: set[int] = set()
        """Segments that stay whatever is delivered of them."""

    def append(self, lines: Sequence[tuple[int, bytes]]) -> None:
        """Write lines, without their line feeds, each with its record's number (rising): all of them or none.

        Raises:
            OSError: the disk does not take them.
        """
        if lines:
            self._write([line for _, line in lines], lines[-1][0])

    def _write(self, batch: list[bytes], last: int) -> None:
        segment = self._current()
        data = b"\n".join(batch) + b"\n"
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(segment.descriptor, view) :]
        except OSError:
            # What is written again later must not stand there already, and half a line not be continued by the next.
            try:
                os.ftruncate(segment.descriptor, segment.size)
            except OSError:
                segment.torn = len(view) < len(data)
            raise
        segment.size += len(data)
        segment.last = last

    def _current(self) -> _Segment:
        if (newest := self._newest) is not None:
            return newest
        where = folder()
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = where / f"{self._stem}-{self._kind}-{self._next:04}{SUFFIX}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks: `replay` then cannot tell that we live
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        segment = self._segments[self._next] = _Segment(path, descriptor)
        self._next += 1
        return segment

    @property
    def _newest(self) -> _Segment | None:
        """The segment that takes the next line; None if a new one has to be created for it."""
        newest = self._segments.get(self._next - 1)
        if newest is None or newest.torn or newest.size >= SEGMENT_BYTES or self._next - 1 in self._kept:
            return None
        return newest

    @property
    def end(self) -> SpoolPosition:
        """Where the next line will stand."""
        newest = self._newest
        return SpoolPosition(self._next, 0) if newest is None else SpoolPosition(self._next - 1, newest.size)

    def read(self, place: SpoolPosition, count: int, size: int) -> tuple[list[bytes], SpoolPosition]:
        """Lines from `place` on, and the place after them.

        Args:
            place: where to begin.
            count: lines at most.
            size: bytes after which no further line is begun.

        Raises:
            OSError: they cannot be read.
        """
        lines: list[bytes] = []
        number, offset = place.segment, place.offset
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
            if offset < segment.size or number + 1 not in self._segments:
                break
            number, offset = number + 1, 0
        return lines, SpoolPosition(number, offset)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self._segments.values())

    @property
    def paths(self) -> list[Path]:
        """The files that hold something."""
        return [segment.path for segment in self._segments.values() if segment.size]

    def keep(self) -> None:
        """Keep the files there are, whatever becomes of what stands in them; what comes now goes to new ones."""
        self._kept.update(self._segments)

    @property
    def kept_paths(self) -> list[Path]:
        """Those that are kept."""
        return [segment.path for key, segment in self._segments.items() if key in self._kept]

    @property
    def wholly_kept(self) -> bool:
        """Whether there is nothing that is not kept."""
        return self._kept.issuperset(self._segments)

    def delete_until(self, number: int) -> None:
        """Delete the files whose records all have numbers up to `number`, but for those that are kept."""
        for key, segment in list(self._segments.items()):
            if segment.last <= number and key not in self._kept:
                del self._segments[key]
                with suppress(OSError):
                    segment.path.unlink()
                with suppress(OSError):
                    os.close(segment.descriptor)

    def close(self) -> None:
        """Let go of the files, which stay."""
        for segment in self._segments.values():
            with suppress(OSError):
                os.close(segment.descriptor)
        self._segments.clear()
