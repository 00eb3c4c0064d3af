"""Short text of why a request failed: clients of HTTP wrap the cause in several long messages."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

import requests

from otel_dspy.mlflow.tracking.requests.tls_errors import tls_failure
from otel_dspy.mlflow.tracking_uri import without_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from otel_dspy.mlflow.tracking.requests.tls_errors import TlsFailure

_CAUSES: Final[Mapping[type[BaseException], str]] = {
    ConnectionRefusedError: "connection refused, nothing listens there",
    ConnectionResetError: "the connection was closed",
    socket.gaierror: "the host name cannot be resolved",
    TimeoutError: "no answer in time",
}
_MLFLOWS_UNKNOWN_SCHEME: Final = "Supported URI schemes are:"
"""Part of MLflow's message, which begins with the model registry and lists all schemes."""
_UNKNOWN_SCHEME: Final = "MLflow has no tracking store for the scheme of this URI"
_MLFLOWS_FILE_STORE: Final = "MLFLOW_ALLOW_FILE_STORE=true"
"""Part of MLflow's message on a folder or a path as tracking URI (MLflow 3.17, `store/tracking/file_store.py`)."""
_FILE_STORE: Final = (
    "MLflow keeps no data in a folder any more: name a database, such as sqlite:///mlflow.db, or set "
    "MLFLOW_ALLOW_FILE_STORE=true"
)
_STATEMENT: Final = "\n[SQL: "
"""Beginning of the statement and its parameters, which are data of the program, in a message of SQLAlchemy."""
_AUTOFLUSH: Final = "if this flush is occurring prematurely)"
"""End of what SQLAlchemy puts before the message of an error that a read raised, because it had to write first."""
WHILE_DENIED: Final = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
"""What to do where MLflow rejects the credentials."""
WHILE_MISSING: Final = "Install the package that provides the module %s, which MLflow's client needs, and start again."
"""What to do where a module is not installed."""
_LOCKED: Final = "database is locked"
"""Message of SQLite, which has waited for 20 s then (MLflow 3.17, `store/db/utils.py`)."""


def error_cause(error: BaseException, longest: int) -> str:
    """Return the cause of an error in a few words, else its message, without passwords.

    Args:
        error: the error, with the exceptions that it was raised from.
        longest: maximum characters of the message.
    """
    failure = tls_failure_of(error)
    if failure is not None:
        return failure.cause
    for link in exception_chain(error):
        for kind, text in _CAUSES.items():
            if isinstance(link, kind):
                return text
    if is_locked(error):
        return "another process writes to its database"
    text = message_of(error)
    if _MLFLOWS_FILE_STORE in text:
        return _FILE_STORE
    return _UNKNOWN_SCHEME if _MLFLOWS_UNKNOWN_SCHEME in text else without_passwords(text)[:longest]


def exception_chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, and those that it was raised from or during, each once: users' code may form a cycle."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def message_of(error: BaseException) -> str:
    """Return the message of an error, without a statement of SQL."""
    text = str(error).partition(_STATEMENT)[0]
    before, _, after = text.partition(_AUTOFLUSH)
    return (after or before).strip()


def is_locked(error: BaseException) -> bool:
    """Return whether a process has had SQLite's lock on the database of a local store for too long."""
    return message_of(error).endswith(_LOCKED)


def missing_module(error: BaseException) -> str | None:
    """Return the module that is not installed and that MLflow's client needs: of a database, of an authentication.

    An import that failed before an error, and that the library has handled, is not its cause.
    """
    handled = {id(link.__context__) for link in exception_chain(error) if link.__cause__ is not link.__context__}
    return next(
        (
            link.name
            for link in exception_chain(error)
            if isinstance(link, ModuleNotFoundError) and id(link) not in handled
        ),
        None,
    )


def connection_was_closed(error: BaseException) -> bool:
    """Return whether the cause of an error is an open connection that the other side has closed without an answer."""
    return any(isinstance(link, ConnectionResetError | BrokenPipeError) for link in exception_chain(error))


def tls_failure_of(error: BaseException) -> TlsFailure | None:
    """Return the failure of TLS that is the cause of an error; None where none is."""
    return tls_failure(exception_chain(error))


def was_not_sent(error: BaseException) -> bool:
    """Return whether the client could not even attempt the request, as with a file of certificates that is missing.

    That is so for each further request. An attempt that fails raises an exception of `requests`.
    """
    return not any(isinstance(link, requests.RequestException) for link in exception_chain(error))


def too_large_text(size: int) -> str:
    """Return why a request was rejected for its size, and what to do.

    Args:
        size: its bytes; 0 if they are unknown.
    """
    found = f"a request of {size:,} bytes" if size else "a request"
    return (
        f"{found} exceeds the limit of MLflow or of a proxy before it, which does not state it (status 413): raise the "
        "limit, as with client_max_body_size of nginx"
    )
