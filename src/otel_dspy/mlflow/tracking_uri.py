"""Tracking URIs for display and storage: without passwords, and independent of the working directory."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

_DATABASE_PASSWORD: Final = re.compile(
    r"(\b(?:postgres|mysql|mariadb|mssql)[\w+]*://[^:/\s]*):[^@\r\n]*@(?:[^@\s/?#'\"]*@)*", re.IGNORECASE
)
"""SQLAlchemy allows slashes and spaces in a password, and one that looks like a port: match all up to the `@`."""
_PASSWORD: Final = re.compile(r"(://[^:/\s\[]*):(?:[^/@\s]*|(?!\d*(?:[/?#'\"\s]|$))[^@\r\n]*)@(?:[^@\s/?#'\"]*@)*")
"""Password in any other URI. After a port, an `@` belongs to the path or to the surrounding text."""
_SENSITIVE: Final = (
    r"(?:[^=&\s]*(?:pass(?!file)|pwd|token|secret|key|signature|credential|authorization)[^=&\s]*"
    r"|(?:[^=&\s]*[-_])?(?:sig|auth))"
)
_QUERY_SECRET: Final = re.compile(rf"([?&]{_SENSITIVE}=)[^&\s'\"]*", re.IGNORECASE)
_WHOLE_QUERY_SECRET: Final = re.compile(rf"([?&]{_SENSITIVE}=)[^&#]*", re.IGNORECASE)
_ODBC_SECRET: Final = re.compile(r"((?:\b|%3B|;)(?:pwd|password)(?:=|%3D))(?:(?!%3B)[^;&\s'\"])+", re.IGNORECASE)
"""Password in `odbc_connect=`, whose value is a connection string."""
_SQLITE: Final = re.compile(r"(?P<scheme>sqlite(?:\+\w+)?:///)(?P<path>[^?]*)(?P<query>.*)", re.IGNORECASE | re.DOTALL)
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)
_FILE: Final = re.compile(r"file:(?://[^/?#]*)?([^?#]*).*", re.IGNORECASE | re.DOTALL)
_PLACES: Final = frozenset({"", "databricks", "databricks-uc", "uc"})
"""Tracking URIs without a scheme that are not paths."""


def without_passwords(text: str) -> str:
    """Remove the passwords from all URIs in a text: `http://user@host`, `…?password=`.

    The end of a URI in a text is a guess; in doubt more is removed.
    """
    return _without(_QUERY_SECRET, text)


def address_without_passwords(address: str) -> str:
    """Remove the passwords from a single URI, whose secrets may contain spaces and quotes."""
    return _without(_WHOLE_QUERY_SECRET, address)


def _without(query_secret: re.Pattern[str], text: str) -> str:
    text = _PASSWORD.sub(r"\1@", _DATABASE_PASSWORD.sub(r"\1@", text))
    return _ODBC_SECRET.sub(r"\1", query_secret.sub(r"\1", text))


def uri_error(address: str) -> str | None:
    """Return why an `http://` URI is invalid, without passwords; None if it is valid."""
    try:
        parts = urlsplit(address)
    except ValueError as error:
        return address_without_passwords(str(error))
    try:
        _ = parts.port
    except ValueError:
        return "the port is not a number"  # the error's own text may quote a password as the port
    return None if parts.hostname else "the host is missing"


def is_server(tracking_uri: str) -> bool:
    """Whether a tracking URI is that of a server, and not of a database or a folder."""
    return tracking_uri.lower().startswith(("http://", "https://", "databricks"))


def open_with(tracking_uri: str, experiment_id: str | None = None) -> str:
    """Return the address to open in a browser, or the command that starts MLflow's UI on a local store.

    Args:
        tracking_uri: the store.
        experiment_id: id of an experiment there, if it is known.
    """
    uri = address_without_passwords(tracking_uri)
    if not uri.lower().startswith(("http://", "https://")):
        return f"mlflow ui --backend-store-uri {shlex.quote(uri)}"
    return uri if experiment_id is None else f"{uri.rstrip('/')}/#/experiments/{experiment_id}"


def storable_uri(tracking_uri: str) -> str:
    """Return a tracking URI without passwords, with a relative path made absolute."""
    uri = address_without_passwords(tracking_uri)
    if (database := _SQLITE.fullmatch(uri)) is not None:
        return f"{database['scheme']}{_absolute_database(database['path'], database['query'])}{database['query']}"
    # MLflow selects the store by the URI's scheme; a drive letter is not a scheme.
    scheme = _SCHEME.match(uri)
    if uri in _PLACES or (scheme is not None and scheme[1].lower() != "file"):
        return uri
    path = Path(url2pathname(_FILE.sub(r"\1", uri) if scheme is not None else uri))
    # Return a URI: MLflow would decode percent escapes in the working directory's name.
    return uri if path.is_absolute() else path.absolute().as_uri()


def sqlite_folder(tracking_uri: str) -> Path | None:
    """Return the folder of a SQLite database; None for another store, and for a database in memory."""
    if (database := _SQLITE.fullmatch(tracking_uri)) is None:
        return None
    file = Path(_absolute_database(database["path"], database["query"]).removeprefix("file:"))
    return file.parent if file.is_absolute() else None


def _absolute_database(path: str, query: str) -> str:
    """Make SQLite's path absolute. Empty and `:memory:` are not paths; with `uri=true` one may follow `file:`."""
    before = "file:" if path.startswith("file:") and "uri=true" in query.lower() else ""
    path = path.removeprefix(before)
    if not path or path.startswith((":memory:", "/")) or "mode=memory" in query.lower():
        return f"{before}{path}"
    return f"{before}{Path(path).absolute()}"
