"""Tracking URIs as they may be shown and kept: without passwords, and meaning the same wherever they are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

_DATABASE_PASSWORD: Final = re.compile(
    r"(\b(?:postgres|mysql|mariadb|mssql)[\w+]*://[^:/\s]*):[^@\r\n]*@(?:[^@\s/?#'\"]*@)*", re.IGNORECASE
)
"""SQLAlchemy lets a password have slashes and spaces, and even one that looks like a port: all up to the `@`."""
_PASSWORD: Final = re.compile(r"(://[^:/\s\[]*):(?:[^/@\s]*|(?!\d*(?:[/?#'\"\s]|$))[^@\r\n]*)@(?:[^@\s/?#'\"]*@)*")
"""Of any other address; after a port, an `@` is of the path or of the text around."""
_SENSITIVE: Final = (
    r"(?:[^=&\s]*(?:pass(?!file)|pwd|token|secret|key|signature|credential|authorization)[^=&\s]*"
    r"|(?:[^=&\s]*[-_])?(?:sig|auth))"
)
_QUERY_SECRET: Final = re.compile(rf"([?&]{_SENSITIVE}=)[^&\s'\"]*", re.IGNORECASE)
_WHOLE_QUERY_SECRET: Final = re.compile(rf"([?&]{_SENSITIVE}=)[^&#]*", re.IGNORECASE)
_ODBC_SECRET: Final = re.compile(r"((?:\b|%3B|;)(?:pwd|password)(?:=|%3D))(?:(?!%3B)[^;&\s'\"])+", re.IGNORECASE)
"""In `odbc_connect=`, whose value is a connection string."""
_SQLITE: Final = re.compile(r"(?P<scheme>sqlite(?:\+\w+)?:///)(?P<path>[^?]*)(?P<query>.*)", re.IGNORECASE | re.DOTALL)
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)
_FILE: Final = re.compile(r"file:(?://[^/?#]*)?([^?#]*).*", re.IGNORECASE | re.DOTALL)
_PLACES: Final = frozenset({"", "databricks", "databricks-uc", "uc"})
"""Addresses without a scheme that are no paths."""


def without_passwords(text: str) -> str:
    """A text, every password taken out of the addresses in it: `http://user@host`, `…?password=`.

    Where an address in it ends is a guess; rather too much is taken out than too little.
    """
    return _without(_QUERY_SECRET, text)


def address_without_passwords(address: str) -> str:
    """The same of an address alone, whose secrets may have spaces and quotes."""
    return _without(_WHOLE_QUERY_SECRET, address)


def _without(query_secret: re.Pattern[str], text: str) -> str:
    text = _PASSWORD.sub(r"\1@", _DATABASE_PASSWORD.sub(r"\1@", text))
    return _ODBC_SECRET.sub(r"\1", query_secret.sub(r"\1", text))


def trouble(address: str) -> str | None:
    """What keeps an `http://` address from being one, without passwords; None where nothing does."""
    try:
        parts = urlsplit(address)
    except ValueError as error:
        return address_without_passwords(str(error))
    try:
        _ = parts.port
    except ValueError:
        return "its port is no number"  # the error's own text may quote a password as the port
    return None if parts.hostname else "it names no host"


def lasting(tracking_uri: str) -> str:
    """A tracking URI without passwords; a path in it that depends on the working folder is made absolute."""
    uri = address_without_passwords(tracking_uri)
    if (database := _SQLITE.fullmatch(uri)) is not None:
        return f"{database['scheme']}{_absolute_database(database['path'], database['query'])}{database['query']}"
    # As MLflow finds the store of an address: by its scheme, a drive's letter being none.
    scheme = _SCHEME.match(uri)
    if uri in _PLACES or (scheme is not None and scheme[1].lower() != "file"):
        return uri
    path = Path(url2pathname(_FILE.sub(r"\1", uri) if scheme is not None else uri))
    # As an address: MLflow would read an escape in the working folder's own name.
    return uri if path.is_absolute() else path.absolute().as_uri()


def _absolute_database(path: str, query: str) -> str:
    """SQLite's path, as SQLAlchemy reads it: nothing and `:memory:` are none; with `uri=true` it may follow `file:`."""
    before = "file:" if path.startswith("file:") and "uri=true" in query.lower() else ""
    path = path.removeprefix(before)
    if not path or path.startswith((":memory:", "/")) or "mode=memory" in query.lower():
        return f"{before}{path}"
    return f"{before}{Path(path).absolute()}"
