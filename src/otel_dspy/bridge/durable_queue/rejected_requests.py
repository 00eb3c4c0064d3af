"""Table of the requests that MLflow rejected, which a queue keeps separately until the next start of the bridge.

All functions run in a transaction of the caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_CREATE: Final = (
    "CREATE TABLE IF NOT EXISTS rejected (id INTEGER PRIMARY KEY, reason TEXT NOT NULL, received REAL NOT NULL, "
    "size INTEGER NOT NULL, routing TEXT NOT NULL, body BLOB NOT NULL)"
)
_QUEUE_AGAIN: Final = (
    "INSERT INTO requests (id, received, size, routing, body) SELECT id, received, size, routing, body FROM rejected"
)
_KEEP: Final = (
    "INSERT INTO rejected (id, reason, received, size, routing, body) "
    "SELECT id, ?, received, size, routing, body FROM requests WHERE id = ?"
)
_LIMIT: Final = (
    "DELETE FROM rejected WHERE id IN "
    "(SELECT id FROM (SELECT id, sum(size) OVER (ORDER BY id DESC) AS newer FROM rejected) WHERE newer > ?)"
)
SHARE: Final = 10
"""Rejected requests take at most this fraction of the queue's maximum size."""


def create(connection: sqlite3.Connection) -> None:
    """Create the table if it does not exist."""
    connection.execute(_CREATE)


def queue_again(connection: sqlite3.Connection) -> None:
    """Move all rejected requests back to the queue, under their ids."""
    connection.execute(_QUEUE_AGAIN)
    connection.execute("DELETE FROM rejected")


def keep(connection: sqlite3.Connection, rejected: Sequence[tuple[int, str]]) -> None:
    """Copy requests of the queue to this table; the caller deletes them from the queue.

    Args:
        connection: the queue's database.
        rejected: ids of requests, each with the reason.
    """
    connection.executemany(_KEEP, ((reason, request_id) for request_id, reason in rejected))


def limit(connection: sqlite3.Connection, max_bytes: int) -> int:
    """Delete the oldest requests beyond their share of a queue of `max_bytes`; return their number."""
    return connection.execute(_LIMIT, (max_bytes // SHARE,)).rowcount


def count(connection: sqlite3.Connection) -> int:
    """Return the number of rejected requests."""
    (found,) = connection.execute("SELECT count(*) FROM rejected").fetchone()
    return int(found)
