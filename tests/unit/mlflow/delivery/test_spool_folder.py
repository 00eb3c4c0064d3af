"""Spool files for other processes: permissions, names and locks."""

from __future__ import annotations

import errno
import fcntl
import pwd
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from otel_dspy.environment.variable_names import SPOOL_DIR
from otel_dspy.mlflow.delivery import spool_folder

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file."""
    path = tmp_path / "file.jsonl"
    path.write_bytes(b"{}\n")
    return path


def _without(monkeypatch: pytest.MonkeyPatch, *kinds: int) -> None:
    """A file system that has no such locks."""
    flock: Callable[[Any, int], None] = fcntl.flock

    def refuse(opened: Any, operation: int) -> None:
        if operation & ~fcntl.LOCK_NB in kinds:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(opened, operation)

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_one_has_it_at_a_time(file: Path) -> None:
    """A replay locks its file, and releases it afterwards."""
    with spool_folder.claimed(file) as first:
        assert first is not None
        assert spool_folder.in_use(file)
        with spool_folder.claimed(file) as second:
            assert second is None
    assert not spool_folder.in_use(file)


def test_a_file_that_takes_no_exclusive_lock(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over NFS, where it is only read: it can be replayed, and that a process writes it is seen all the same."""
    _without(monkeypatch, fcntl.LOCK_EX)
    assert not spool_folder.in_use(file)
    monkeypatch.undo()
    with file.open("ab") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        _without(monkeypatch, fcntl.LOCK_EX)
        assert spool_folder.in_use(file)


def test_a_file_system_without_locks(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process is known to have the file."""
    _without(monkeypatch, fcntl.LOCK_EX, fcntl.LOCK_SH)
    with spool_folder.claimed(file) as found:
        assert found is not None
        assert found.read() == b"{}\n"


def test_names() -> None:
    """A file that a process wrote is known by its name; any other is not."""
    assert spool_folder.spool_name(Path("x/20261127T023325Z-18951-1-control-0002.jsonl")) == spool_folder.SpoolName(
        "20261127T023325Z-18951-1", "control", 2
    )
    assert spool_folder.spool_name(Path("notes.jsonl")) is None


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id of a container without an entry in `/etc/passwd`, and HOME is not set: even the help of `replay` raised."""
    for variable in (SPOOL_DIR, "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(variable, raising=False)
    entries: dict[int, Any] = {}
    monkeypatch.setattr(pwd, "getpwuid", entries.__getitem__)
    assert spool_folder.folder() == Path("/.local/state/otel-dspy/spool")
