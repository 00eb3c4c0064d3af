"""What an error of MLflow's means: whether asking again can help."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import requests
from mlflow.exceptions import MlflowException

if TYPE_CHECKING:
    from collections.abc import Iterator


class Verdict(Enum):
    """What to do."""

    WAIT = "wait"
    """Unreachable or busy: ask again until it answers."""
    RETRY = "retry"
    """The server failed: ask again, but not for ever."""
    REFUSED = "refused"
    """It will never be taken."""


_BUSY_TEXTS = ("database is locked", "deadlock", "could not identify mlflow server version", "connection pool")
_UNREACHABLE_TEXTS = ("max retries exceeded", "connection refused", "failed with timeout", "connection aborted")
_TOO_MANY_REQUESTS, _SERVER_ERROR, _UNAVAILABLE = 429, 500, frozenset({502, 503, 504})


def verdict(error: BaseException) -> Verdict:
    """Read an error, and those that led to it."""
    for cause in _chain(error):
        text = str(cause).lower()
        if isinstance(cause, requests.ConnectionError | requests.Timeout | ConnectionError | TimeoutError):
            return Verdict.WAIT
        if any(found in text for found in _BUSY_TEXTS + _UNREACHABLE_TEXTS):
            return Verdict.WAIT
    status = _http_status(error)
    if status is None:
        return Verdict.RETRY if isinstance(error, OSError) else Verdict.REFUSED
    if status == _TOO_MANY_REQUESTS or status in _UNAVAILABLE:
        return Verdict.WAIT
    return Verdict.RETRY if status >= _SERVER_ERROR else Verdict.REFUSED


def _http_status(error: BaseException) -> int | None:
    if isinstance(error, MlflowException):
        return int(error.get_http_status_code())
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
