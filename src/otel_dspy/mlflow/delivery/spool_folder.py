"""On-disk spool for spans that MLflow has not acknowledged: one folder of files that only their owner can read.

Each process writes its own files: `TIME-PID-NUMBER-control-0001.jsonl` for compiles and evaluations,
`TIME-PID-NUMBER-traces-0001.jsonl` for example traces and plain calls, and the next number once a file reaches its
maximum size. A file is locked while its process runs.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from otel_dspy.environment.home_folder import home_folder
from otel_dspy.environment.variable_names import SPOOL_DIR

if TYPE_CHECKING:
    from collections.abc import Generator

try:
    import fcntl
except ImportError:  # Windows: no locks, so `replay` cannot detect a living process' file
    fcntl = None

_logger = logging.getLogger(__name__)

SUFFIX: Final = ".jsonl"
CLAIMED: Final = "a living process writes or replays it; replay it when that has ended"
"""Message for a file for which `claimed` returns None."""
OURS: Final = "otel_dspy.spool."
"""Prefix of the resource attributes that hold a span's route; the span's own attributes never have it."""

_numbers = itertools.count(1)


def folder() -> Path:
    """Return the spool's folder.

    OTEL_DSPY_SPOOL_DIR, else `otel-dspy/spool` in XDG_STATE_HOME, else in `~/.local/state`.
    """
    if chosen := os.environ.get(SPOOL_DIR):
        return Path(chosen)
    return state_folder() / "spool"


def state_folder() -> Path:
    """Return the folder for state of otel-dspy: in XDG_STATE_HOME, else in `~/.local/state`."""
    state = os.environ.get("XDG_STATE_HOME")
    # Container runtimes set HOME=/ for a user who has no home.
    return (Path(state) if state else (home_folder() or Path("/")) / ".local" / "state") / "otel-dspy"


def new_stem() -> str:
    """Return the common prefix of one writer's file names."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}-{next(_numbers)}"


@contextmanager
def claimed(path: Path) -> Generator[BinaryIO | None]:
    """Open a file with an exclusive lock; None if a living process writes or replays it.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        yield file if _locked(file) else None


def _locked(file: BinaryIO) -> bool:
    """Whether the lock was acquired, as far as the file system supports locks."""
    if fcntl is None:
        return True
    # Over NFS a file opened for reading cannot be locked exclusively; a shared lock at least detects its writer.
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
        OSError: the file cannot be read.
    """
    with claimed(path) as file:
        return file is None


class SpoolName(NamedTuple):
    """The parts of a spool file's name.

    Attributes:
        writer: common to all files of one process.
        kind: `control` or `traces`.
        number: position among the writer's files of that kind, from 1.
    """

    writer: str
    kind: str
    number: int


def spool_name(path: Path) -> SpoolName | None:
    """Parse a file name; None if it is not a spool file's."""
    found = re.fullmatch(r"(\d{8}T\d{6}Z-\d+-\d+)-(control|traces)-(\d{4,})\.jsonl", path.name)
    return SpoolName(found[1], found[2], int(found[3])) if found else None


def is_spool_file(path: Path) -> bool:
    """Return whether the first line of a file is one of otel-dspy's spool; true for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            return OURS.encode() in file.readline()
    except OSError:  # reported by the reader of the spool
        return True
