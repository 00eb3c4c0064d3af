"""Lock on the setup of a SQLite database, so that one process at a time sets it up.

MLflow creates and migrates the tables when a process opens the store. Migrations of two processes at the same time
raise in both, and can leave a database that MLflow cannot open (observed with 3.17.2).
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking_uri import sqlite_folder

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LONGEST_WAIT: Final = 60.0
"""Seconds to wait for another process; MLflow 3.17 creates a database in 4 to 10."""
PAUSE: Final = 0.05
"""Seconds between two attempts."""
_open: Final[set[int]] = set()
"""Descriptors of locked folders."""


@contextmanager
def database_setup(tracking_uri: str) -> Generator[None]:
    """Run the block, which opens the store, while no other process of otel-dspy opens a database in the same folder.

    The folder itself is locked, so that no file is left: not the database, since closing it would release the locks
    that SQLite holds on it in this process. Where a folder cannot be locked, as on Windows or over NFS, and after
    `LONGEST_WAIT`, the block runs all the same. Not to be nested.
    """
    folder = sqlite_folder(tracking_uri)
    with ExitStack() as stack:
        if folder is not None:
            _lock(folder, stack)
        yield


def _lock(folder: Path, stack: ExitStack) -> None:
    if fcntl is None:
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        _open.add(descriptor)
        stack.callback(_unlock, descriptor)
        deadline = time.monotonic() + LONGEST_WAIT
        while time.monotonic() < deadline:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(PAUSE)
            else:
                return
    except OSError:
        return


def _unlock(descriptor: int) -> None:
    _open.discard(descriptor)
    try:
        if fcntl is not None:
            # A process that was forked meanwhile has a copy of the descriptor: closing this one alone releases nothing.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _after_fork() -> None:
    # The thread that would unlock them does not exist here. The lock is the parent's as long as that has it open.
    while _open:
        with suppress(OSError):
            os.close(_open.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
