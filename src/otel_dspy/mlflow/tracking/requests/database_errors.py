"""Errors of MLflow's database: broken connections, and errors that may also be the request's.

A connection that breaks during a request makes MLflow's roll-back raise too, and what that raises is no
`MlflowException` (3.17.2, `store/db/utils.py`). MLflow's endpoint of spans answers it with 422, as it answers a span
that the database does not take (`server/otel_api.py`). Stores answer any error of SQLAlchemy but an `OperationalError`
with 400, and with 500 an error of the driver that SQLAlchemy does not convert, for a value that the driver cannot send.
"""

from __future__ import annotations

import re
from typing import Final

from mlflow.exceptions import MlflowException

from otel_dspy.mlflow.tracking.requests.error_cause import message_of

_OTHER_ERROR: Final = "failed to log opentelemetry spans"
"""MLflow's answer, in lower case, to any error that is not a `MlflowException` while it stores spans."""
_LINK: Final = "sqlalche.me/e/"
"""Part of the message of SQLAlchemy's errors."""
_MODULE: Final = "sqlalchemy.exc"
_DATA_ERROR: Final = re.compile(r"sqlalche\.me/e/\d+/9h9h|a string literal cannot contain nul", re.IGNORECASE)
"""Messages of SQLAlchemy's `DataError`, whose link has this code, and of psycopg2's `ValueError`."""
_UNSENDABLE: Final = re.compile(
    r"(?:INTERNAL_ERROR: )?(?:Python int too large to convert to SQLite INTEGER"
    r"|A string literal cannot contain NUL \(0x00\) characters\.|'utf-8' codec can't encode character.*)"
)
"""Whole messages of sqlite3's `OverflowError`, of psycopg2's `ValueError`, and for half a surrogate of both."""
_ENDED: Final = re.compile(
    r"(?:[A-Z_]+: )?\((?:\w+\.)+\w+\) .*(?:server has gone away|lost connection to (?:mysql )?server|max_allowed_packet"
    r"|server closed the connection unexpectedly|ssl connection has been closed unexpectedly"
    r"|due to statement timeout|max_statement_time exceeded|maximum statement execution time exceeded"
    r"|out of memory|invalid memory alloc request size)",
    re.IGNORECASE | re.DOTALL,
)
"""Messages of PostgreSQL's and MySQL's drivers, after SQLAlchemy's name of the error and an error code of MLflow."""
_BROKEN: Final = frozenset({"OperationalError", "InterfaceError", "InternalError"})
"""SQLAlchemy's errors of a connection; those of data, of constraints and of statements have classes of their own."""


def is_broken_connection(error: BaseException) -> bool:
    """Return whether SQLAlchemy raised the error, and for the connection."""
    return not _BROKEN.isdisjoint(_names(error))


def ended_by_database(error: BaseException) -> bool:
    """Return whether the database has ended the statement, or the connection during it.

    It does so in an outage, and each time with a statement that is too large (MySQL's `max_allowed_packet`) or takes
    too long (`statement_timeout`).

    Args:
        error: what was raised, or the error that MLflow raised for it.
    """
    return _ENDED.match(message_of(error)) is not None


def is_ambiguous(error: BaseException) -> bool:
    """Return whether the error of a database may be that of a connection or that of the request.

    Args:
        error: what was raised, not its causes.
    """
    if _names(error):
        return True
    text = str(error).lower()
    if not isinstance(error, MlflowException):
        return False
    return _OTHER_ERROR in text or (error.error_code == "BAD_REQUEST" and _LINK in text)


def is_unsendable_value(error: BaseException) -> bool:
    """Return whether the database's driver does not take a value: beyond 64 bits, with a NUL or half a surrogate.

    Args:
        error: what was raised, or the error that MLflow raised for it.
    """
    return isinstance(error, OverflowError | UnicodeEncodeError) or _UNSENDABLE.fullmatch(str(error)) is not None


def is_unstorable_value(error: BaseException) -> bool:
    """Return whether the database or its driver does not take a value: too long or large, or as above.

    Args:
        error: what was raised, or the error that MLflow raised for it.
    """
    return "DataError" in _names(error) or is_unsendable_value(error) or _DATA_ERROR.search(str(error)) is not None


def _names(error: BaseException) -> set[str]:
    """Return the names of the error's classes that are SQLAlchemy's, which the program need not have imported."""
    return {kind.__name__ for kind in type(error).__mro__ if kind.__module__ == _MODULE}
