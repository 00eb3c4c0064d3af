"""The file of a queue: what is kept, in which order, and who may use it."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from otel_dspy.bridge.durable_queue.database import QueueDatabase
from otel_dspy.bridge.durable_queue.queue_error import QueueError
from otel_dspy.bridge.durable_queue.stored_request import NewRequest
from otel_dspy.bridge.experiment_routing import ExperimentRouter
from otel_dspy.bridge.pending_request import PendingRequest

if TYPE_CHECKING:
    from pathlib import Path

URI = "http://user:geheim@mlflow:5000"
REASON = "MLflow rejected a part of it"


def new(body: bytes, experiment: str | None = None, **routing: Any) -> NewRequest:
    """A request as it is stored, received at a second that its first byte names."""
    request = PendingRequest(
        body, json=False, experiment=experiment, workspace=None, experiments=ExperimentRouter(URI, **routing)
    )
    request.count = 3
    return NewRequest(request, float(body[0]))


def bodies(database: QueueDatabase) -> list[bytes]:
    """The queued requests' bodies, in order."""
    found: list[bytes] = []
    request = database.after(0)
    while request is not None:
        found.append(request.request.body)
        request = database.after(request.id)
    return found


def test_requests_come_back_in_order_as_they_were(tmp_path: Path) -> None:
    """Also after the database was closed: body, headers, the bridge's own defaults and the number of spans."""
    folder = tmp_path / "a" / "queue"
    with closing(QueueDatabase(folder, URI)) as database:
        database.write([new(b"1", "E", default="D", by_service=True, workspace="w"), new(b"22")], [], [])
    with closing(QueueDatabase(folder, URI)) as database:
        assert bodies(database) == [b"1", b"22"]
        assert database.totals() == (2, 3 + 2 * 256)
        assert database.oldest() == float(b"1"[0])
        first = database.after(0)
        assert first is not None
        assert first.request == new(b"1", "E", default="D", by_service=True, workspace="w").request
        database.write([new(b"3")], [first.id], [])
        assert bodies(database) == [b"22", b"3"]
        assert database.get(first.id) is None


def test_rejected_requests_are_kept_apart_until_the_next_start(tmp_path: Path) -> None:
    """They are in the queue no more; the oldest of them go when they are too large; a new start queues them first."""
    with closing(QueueDatabase(tmp_path, URI)) as database:
        database.write([new(bytes([48 + number]) * 100) for number in range(5)], [], [])
        database.write([], [], [(1, REASON), (2, REASON), (4, REASON)])
        assert database.limit_rejected(8000) == 1
        assert (bodies(database), database.rejected()) == ([b"2" * 100, b"4" * 100], 2)
    with closing(QueueDatabase(tmp_path, URI)) as database:
        assert (bodies(database), database.rejected()) == ([bytes([48 + number]) * 100 for number in (1, 2, 3, 4)], 0)
        database.write([new(b"5")], [], [])
        assert database.last_id() == 6


def test_one_process_uses_it(tmp_path: Path) -> None:
    """A second one is refused with the folder and the first one's id; when the first is killed, it may."""
    opened = "from pathlib import Path; from otel_dspy.bridge.durable_queue.database import QueueDatabase as Q; "
    script = opened + f"q = Q(Path({str(tmp_path)!r}), {URI!r}); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(QueueError) as refused:
            QueueDatabase(tmp_path, URI)
        process.kill()
    assert str(refused.value) == (
        f"--queue: {tmp_path} is used by another bridge (process {process.pid}): choose another folder for this one"
    )
    with closing(QueueDatabase(tmp_path, URI)), pytest.raises(QueueError, match=f"process {os.getpid()}"):
        QueueDatabase(tmp_path, URI)


def test_requests_for_another_mlflow_are_not_written_to_this_one(tmp_path: Path) -> None:
    """The error names the other one, without its password; with an empty queue the MLflow may change."""
    QueueDatabase(tmp_path, "http://other:5000").close()
    with closing(QueueDatabase(tmp_path, URI)) as database:
        database.write([new(b"1")], [], [])
    with pytest.raises(QueueError) as refused:
        QueueDatabase(tmp_path, "http://other:5000")
    assert str(refused.value) == (
        f"--queue: {tmp_path} holds 1 request for MLflow at http://user@mlflow:5000: start a bridge with that "
        "--tracking-uri to write them, choose another folder, or delete this one to give them up"
    )
    QueueDatabase(tmp_path, "http://user:other@mlflow:5000").close()


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    """Folder 0700, files 0600, whatever the umask; no password in them."""
    before = os.umask(0)
    try:
        with closing(QueueDatabase(tmp_path / "queue", URI)) as database:
            database.write([new(b"1")], [], [])
            files = {path.name: path for path in (tmp_path / "queue").iterdir()}
            assert set(files) == {"queue.db", "queue.db-wal", "bridge.pid"}
            assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}
            assert stat.S_IMODE((tmp_path / "queue").stat().st_mode) == 0o700
    finally:
        os.umask(before)
    assert not any(b"geheim" in path.read_bytes() for path in (tmp_path / "queue").iterdir())


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A folder that is a file, a database that is none, one of another version."""
    (tmp_path / "file").touch()
    with pytest.raises(QueueError, match=r"--queue: .*/file cannot be written: File exists; choose another folder"):
        QueueDatabase(tmp_path / "file", URI)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "queue.db").write_bytes(b"no database" * 1000)
    with pytest.raises(QueueError, match=r"--queue: .*/broken cannot be used: file is not a database"):
        QueueDatabase(tmp_path / "broken", URI)
    QueueDatabase(tmp_path / "new", URI).close()
    with closing(sqlite3.connect(tmp_path / "new" / "queue.db")) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(QueueError, match=r"--queue: .*/new has the format of another version of otel-dspy \(9\)"):
        QueueDatabase(tmp_path / "new", URI)


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    """The transaction fails as a whole; a smaller one is stored."""
    with closing(QueueDatabase(tmp_path, URI)) as database:
        database.write([new(b"1")], [], [])
        database._connection.execute("PRAGMA max_page_count = 20")  # stands for a disk of that size
        with pytest.raises(QueueError, match="cannot be written: database or disk is full"):
            database.write([new(b"2"), new(b"3" * 200_000)], [1], [])
        assert bodies(database) == [b"1"]
        database.write([new(b"2")], [1], [])
        assert bodies(database) == [b"2"]


def test_the_file_shrinks(tmp_path: Path) -> None:
    """Once a large queue is empty."""
    with closing(QueueDatabase(tmp_path, URI)) as database:
        database.write([new(b"1" * 30_000_000)], [], [])
        database.write([], [1], [])
        database.shrink()
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 1_000_000
