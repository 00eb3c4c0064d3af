"""The lock under which a process sets up a SQLite database."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from otel_dspy.mlflow.tracking.store import database_setup_lock
from otel_dspy.mlflow.tracking.store.database_setup_lock import LONGEST_WAIT, database_setup

if TYPE_CHECKING:
    from pathlib import Path

WAIT = 60.0


def test_one_at_a_time(tmp_path: Path) -> None:
    """The second of two that open databases of a folder waits for the first, by whatever spelling; no file is left."""
    entered, leave, order = threading.Event(), threading.Event(), list[str]()

    def first() -> None:
        with database_setup(f"sqlite:///{tmp_path / 'mlflow.db'}"):
            entered.set()
            leave.wait(WAIT)
            order.append("first")

    def second() -> None:
        with database_setup(f"sqlite+pysqlite:///file:{tmp_path / 'mlflow.db'}?uri=true"):
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert entered.wait(WAIT)
    threads[1].start()
    threads[1].join(0.2)
    assert order == []
    leave.set()
    for thread in threads:
        thread.join(WAIT)
    assert order == ["first", "second"]
    assert [*tmp_path.iterdir()] == []


def test_it_does_not_wait_forever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that hangs while it holds the lock is overtaken."""
    monkeypatch.setattr(database_setup_lock, "LONGEST_WAIT", 0.1)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with database_setup(uri), database_setup(uri):
        pass


def test_an_error_releases_it(tmp_path: Path) -> None:
    """What MLflow raises passes through, and the next one does not wait."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with pytest.raises(KeyError), database_setup(uri):
        raise KeyError
    with database_setup(uri):
        pass


@pytest.mark.parametrize("ending", ["released", "killed"])
def test_a_process_that_was_forked_meanwhile_does_not_hold_it(ending: str, tmp_path: Path) -> None:
    """It inherits the descriptor: neither the end of the block nor that of the process released the lock."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        with database_setup(uri):
            if os.fork() == 0:
                os.close(writer)
                os.read(reader, 1)  # until the test has ended
                os._exit(0)
            if ending == "killed":
                os._exit(0)
        os._exit(0)
    os.waitpid(parent, 0)
    try:
        started = time.monotonic()
        with database_setup(uri):
            assert time.monotonic() - started < LONGEST_WAIT / 2
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize(
    "uri", ["sqlite:///:memory:", "sqlite://", "http://127.0.0.1:5000", "postgresql://u@host/db", "{missing}", "{file}"]
)
def test_what_cannot_be_locked_is_opened_all_the_same(uri: str, tmp_path: Path) -> None:
    """Other stores, and folders that do not exist or are none."""
    (tmp_path / "file").touch()
    uri = uri.format(missing=f"sqlite:///{tmp_path}/none/mlflow.db", file=f"sqlite:///{tmp_path}/file/mlflow.db")
    with database_setup(uri), database_setup(uri):
        pass


def test_where_locks_are_missing_it_is_opened_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows."""
    monkeypatch.setattr(database_setup_lock, "fcntl", None)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with database_setup(uri), database_setup(uri):
        pass
