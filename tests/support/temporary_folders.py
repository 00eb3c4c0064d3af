"""Folder of the tests' files: in memory if there is room, since MLflow commits to sqlite several times a request.

A commit waits for the disk for 5 to 10 ms, and many tests would do little else. Large files go to the disk: `ON_DISK`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a file system, on which folders are made by `tempfile`
_ROOM: Final = 4 * 2**30
"""Bytes that must be free there; all tests side by side take about a fourth of it."""
_VARIABLE: Final = "TESTS_ON_DISK"

ON_DISK: Final = Path(os.environ.get(_VARIABLE) or tempfile.gettempdir())
"""The folder for temporary files as it was before `keep_in_memory`."""


def keep_in_memory() -> None:
    """Let temporary files of this process, and of those that it starts, be files in memory, unless `TMPDIR` is set."""
    if "TMPDIR" not in os.environ and _MEMORY.is_dir() and _fits():
        os.environ |= {"TMPDIR": str(_MEMORY), _VARIABLE: str(ON_DISK)}
        tempfile.tempdir = str(_MEMORY)


def _fits() -> bool:
    """Whether there is room, and programs there can be run."""
    return shutil.disk_usage(_MEMORY).free > _ROOM and not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
