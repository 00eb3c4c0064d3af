"""SQLite database of a queue: requests in order of arrival, and, apart from them, those that MLflow rejected.

The database is locked while it is open (`locking_mode=EXCLUSIVE`); the operating system releases the lock when the
process ends. `synchronous=FULL` writes each transaction through to the disk.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge.durable_queue import rejected_requests
from otel_dspy.bridge.durable_queue.file_sizes import FileSizes
from otel_dspy.bridge.durable_queue.queue_error import QueueError
from otel_dspy.bridge.durable_queue.queue_folder import database_file, file_identity, note_owner, owner
from otel_dspy.bridge.durable_queue.stored_request import QueuedRequest, pending_request, routing_text
from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.mlflow.tracking_uri import storable_uri

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from otel_dspy.bridge.durable_queue.stored_request import NewRequest

FORMAT: Final = 1
"""Version of the tables, in SQLite's `user_version`."""
WAL_BYTES: Final = 16 * 1024 * 1024
"""Size to which SQLite truncates its write-ahead log."""
_DESTINATION: Final = "CREATE TABLE IF NOT EXISTS destination (tracking_uri TEXT NOT NULL)"
# The body is the last column, so that the others are read without its pages.
_REQUESTS: Final = (
    "CREATE TABLE IF NOT EXISTS requests (id INTEGER PRIMARY KEY AUTOINCREMENT, received REAL NOT NULL, "
    "size INTEGER NOT NULL, routing TEXT NOT NULL, body BLOB NOT NULL)"
)


class QueueDatabase:
    """Database of one queue. Not thread-safe, but usable from any thread."""

    def __init__(self, folder: Path, tracking_uri: str) -> None:
        """Open or create the database, and queue the requests again that were rejected before.

        Args:
            folder: the queue's folder.
            tracking_uri: MLflow that the requests are written to.

        Raises:
            QueueError: the folder cannot be written, another process uses it, or its requests are for another MLflow.
        """
        self._folder = folder
        self._tracking_uri = tracking_uri
        self._path = database_file(folder)
        self._identity = file_identity(self._path)
        self._sizes = FileSizes(self._path, WAL_BYTES)
        self._connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._connection.close()
            raise QueueError(self._reason(error)) from error
        except QueueError:
            self._connection.close()
            raise
        self._sizes.note()
        note_owner(folder)

    def _prepare(self) -> None:
        for pragma in (
            "locking_mode = EXCLUSIVE",
            "auto_vacuum = INCREMENTAL",  # effective in an empty database only
            "journal_mode = WAL",
            "synchronous = FULL",
            f"journal_size_limit = {WAL_BYTES}",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        # The first write acquires the lock, and shows that the disk can be written.
        with self._transaction():
            (version,) = self._row("PRAGMA user_version")
            if version not in {0, FORMAT}:
                raise QueueError(f"--queue: {self._folder} has the format of another version of otel-dspy ({version})")
            for statement in (_DESTINATION, _REQUESTS):
                self._connection.execute(statement)
            rejected_requests.create(self._connection)
            self._connection.execute(f"PRAGMA user_version = {FORMAT}")
            rejected_requests.queue_again(self._connection)
            self._set_destination(storable_uri(self._tracking_uri))

    def _set_destination(self, wanted: str) -> None:
        count, _ = self.totals()
        known = self._connection.execute("SELECT tracking_uri FROM destination").fetchone()
        if count and known is not None and known[0] != wanted:
            raise QueueError(
                f"--queue: {self._folder} holds {counted(count, 'request')} for MLflow at {known[0]}: start a bridge "
                "with that --tracking-uri to write them, choose another folder, or delete this one to give them up"
            )
        self._connection.execute("DELETE FROM destination")
        self._connection.execute("INSERT INTO destination VALUES (?)", (wanted,))

    def _reason(self, error: sqlite3.Error) -> str:
        if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
            return (
                f"--queue: {self._folder} is used by another bridge (process {owner(self._folder)}): "
                "choose another folder for this one"
            )
        return f"--queue: {self._folder} cannot be used: {error}"

    @property
    def moved(self) -> bool:
        """Whether the file was deleted or moved while it is open: SQLite writes to it, and no later bridge reads it."""
        try:
            return file_identity(self._path) != self._identity
        except OSError:  # the disk fails, or the path is not readable: the open file can be written nevertheless
            return False

    @property
    def truncated(self) -> bool:
        """Whether a file of the database was truncated while it is open: what SQLite reads may be missing or zeros."""
        return self._sizes.truncated

    def totals(self) -> tuple[int, int]:
        """Return the number of queued requests and their bytes, without rejected ones."""
        count, size = self._row("SELECT count(*), coalesce(sum(size), 0) FROM requests")
        return count, size

    def last_id(self) -> int:
        """Return the id of the newest queued request; 0 if there is none."""
        return self._row("SELECT coalesce(max(id), 0) FROM requests")[0]

    def oldest(self) -> float | None:
        """Return when the oldest queued request was received, in seconds since the epoch; None if there is none."""
        with self._errors("read"):
            found = self._connection.execute("SELECT received FROM requests ORDER BY id LIMIT 1").fetchone()
        return float(found[0]) if found is not None else None

    def rejected(self) -> int:
        """Return the number of rejected requests."""
        with self._errors("read"):
            return rejected_requests.count(self._connection)

    def write(self, new: Sequence[NewRequest], written: Sequence[int], rejected: Sequence[tuple[int, str]]) -> None:
        """Change the queue in one transaction; after it returns, the change is on disk.

        Args:
            new: requests to add, in order.
            written: ids of requests to delete.
            rejected: ids of requests to keep apart, each with the reason.

        Raises:
            QueueError: the disk is full or cannot be written; nothing was changed.
        """
        with self._errors("written"), self._transaction():
            if not (new or written or rejected):
                # Whether the disk can be written again.
                self._connection.execute("UPDATE destination SET tracking_uri = tracking_uri")
            self._connection.executemany(
                "INSERT INTO requests (received, size, routing, body) VALUES (?, ?, ?, ?)",
                ((one.received, one.size, routing_text(one.request), one.request.body) for one in new),
            )
            rejected_requests.keep(self._connection, rejected)
            gone = [*written, *(request_id for request_id, _ in rejected)]
            self._connection.executemany("DELETE FROM requests WHERE id = ?", ((one,) for one in gone))
        self._sizes.note()

    def limit_rejected(self, max_bytes: int) -> int:
        """Delete the oldest rejected requests beyond their share of the queue's maximum size; return their number.

        Args:
            max_bytes: maximum size of the queue.

        Raises:
            QueueError: the disk cannot be written; nothing was deleted.
        """
        with self._errors("written"), self._transaction():
            return rejected_requests.limit(self._connection, max_bytes)

    def after(self, request_id: int) -> QueuedRequest | None:
        """Return the request that follows an id in the queue; None if there is none.

        Raises:
            QueueError: the disk cannot be read.
        """
        return self._read("SELECT id, size, routing, body FROM requests WHERE id > ? ORDER BY id LIMIT 1", request_id)

    def get(self, request_id: int) -> QueuedRequest | None:
        """Return a request of the queue; None if it does not exist.

        Raises:
            QueueError: the disk cannot be read.
        """
        return self._read("SELECT id, size, routing, body FROM requests WHERE id = ?", request_id)

    def shrink(self) -> None:
        """Give the space of deleted requests back to the file system, if it is much.

        Raises:
            QueueError: the disk cannot be written.
        """
        (pages,) = self._row("PRAGMA freelist_count")
        (page_size,) = self._row("PRAGMA page_size")
        if pages * page_size > WAL_BYTES:
            self._sizes.begin_shrinking()
            with self._errors("written"):
                # `execute` would free one page: it does not step through statements without columns.
                self._connection.executescript("PRAGMA incremental_vacuum")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._sizes.end_shrinking()

    def close(self) -> None:
        """Close the database and release its lock."""
        self._connection.close()

    def _read(self, statement: str, request_id: int) -> QueuedRequest | None:
        with self._errors("read"):
            row = self._connection.execute(statement, (request_id,)).fetchone()
        if row is None:
            return None
        number, size, routing, body = row
        return QueuedRequest(number, size, pending_request(routing, body, self._tracking_uri))

    def _row(self, statement: str) -> tuple[int, ...]:
        with self._errors("read"):
            found: tuple[int, ...] = self._connection.execute(statement).fetchone()
        return found

    @contextmanager
    def _errors(self, action: str) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise QueueError(f"the queue {self._folder} cannot be {action}: {error}") from error

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors, such as a full disk.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
