"""HTTP policy for the delivery thread: disables MLflow's own retries and reads the last response's status and headers.

MLflow's HTTP client retries a request up to eight times over minutes before it raises. Here it raises at once and
`retry` repeats it, so that an outage is noticed within seconds and an exit never hangs. Requests of other threads and
environment variables are not affected.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Final

import wrapt
from requests import codes

from otel_dspy.mlflow.tracking.requests import connection_pool, databricks, quick_acknowledgments
from otel_dspy.mlflow.tracking.requests.error_body import is_mlflow_error
from otel_dspy.mlflow.tracking.requests.retry_after import MAX_RETRY_AFTER, retry_after_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

READ_TIMEOUT: Final = 60.0
"""Read timeout of a request in seconds, unless the user has set MLFLOW_HTTP_REQUEST_TIMEOUT."""
FIRST_READ_TIMEOUT: Final = 15.0
"""Read timeout of a request in seconds within `first_answer_soon`, until MLflow has answered."""
FIRST_CONNECT_TIMEOUT: Final = 2.0
LONGEST_CONNECT_TIMEOUT: Final = 10.0
"""Connect timeout in seconds; doubled with each failure, for networks that are slow rather than down."""

_TOO_LARGE: Final = frozenset({413, 414, 431})
"""A proxy that answers so has looked at the request: it will do so again."""
_REQUEST: Final = "_get_http_response_with_retries"
_MODULES: Final = ("mlflow.utils.rest_utils", "mlflow.utils.request_utils")
_CHATTY: Final = "mlflow.store.db.utils"
"""This logger emits a stack trace each time a local database is busy; `outage_log` logs it once."""


class _Thread(threading.local):
    ours: bool = False
    connect_timeout: float = FIRST_CONNECT_TIMEOUT
    status: int | None = None
    foreign: bool = False
    too_large: int | None = None
    retry_after: float | None = None
    first_read_timeout: float | None = None
    awaited: Callable[[], AbstractContextManager[None]] = nullcontext


_thread = _Thread()
_installed = False


def prepare() -> None:
    """Look up on this thread what requests of deliveries need; call it on the program's thread."""
    _install()
    databricks.look_up(_is_delivery)


@contextmanager
def no_retries(failures: int, awaited: Callable[[], AbstractContextManager[None]] = nullcontext) -> Generator[None]:
    """Send each of this thread's requests to MLflow once within the block.

    Args:
        failures: number of previous failures of the operation.
        awaited: returns a context in which each request is sent.
    """
    if not _installed:
        prepare()
    before = _thread.ours, _thread.awaited
    _thread.ours = True
    _thread.status = _thread.retry_after = None
    _thread.foreign = False
    _thread.too_large = None
    _thread.awaited = awaited
    _thread.connect_timeout = min(FIRST_CONNECT_TIMEOUT * 2 ** min(failures, 8), LONGEST_CONNECT_TIMEOUT)
    try:
        yield
    finally:
        _thread.ours, _thread.awaited = before


@contextmanager
def first_answer_soon() -> Generator[None]:
    """Expect the first answer to this thread's requests soon: an MLflow that never answers is noticed in seconds.

    For a caller that can be repeated at any time: a server that is merely slow counts as one that does not answer.
    """
    before = _thread.first_read_timeout
    _thread.first_read_timeout = FIRST_READ_TIMEOUT
    try:
        yield
    finally:
        _thread.first_read_timeout = before


def last_status() -> int | None:
    """Return the HTTP status of this thread's last response since `no_retries` began, unless it was a success."""
    return _thread.status


def is_foreign() -> bool:
    """Return whether the response of `last_status` has not the form of MLflow's errors.

    A proxy sent it, or MLflow's server for a path that it does not have. Not for a request that is too large.
    """
    return _thread.foreign


def too_large() -> int | None:
    """Return the bytes of a request that the last response has rejected as too large; None for another response."""
    return _thread.too_large


def retry_after() -> float | None:
    """Return the seconds of the server's `Retry-After` since `no_retries` began."""
    return _thread.retry_after


def _install() -> None:
    global _installed  # noqa: PLW0603 - once in a process
    if _installed:
        return
    _installed = True
    for name in _MODULES:
        # Private to MLflow: if it is missing, MLflow's own retries stay and only the first warning is late.
        with suppress(ImportError, AttributeError):
            module = importlib.import_module(name)
            setattr(module, _REQUEST, wrapt.FunctionWrapper(getattr(module, _REQUEST), _once))
    logging.getLogger(_CHATTY).addFilter(lambda _record: not _thread.ours)
    quick_acknowledgments.install(_is_delivery)
    connection_pool.install(_is_delivery)


def _is_delivery() -> bool:
    return _thread.ours


def _once(wrapped: Callable[..., Any], _instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401 - passes on what MLflow gives
    if not _thread.ours:
        return wrapped(*args, **kwargs)
    names = ("method", "url", "max_retries", "backoff_factor", "backoff_jitter", "retry_codes", "raise_on_status")
    given = dict(zip(names, args, strict=False)) | kwargs
    # Without status codes to retry on, the response is returned whatever its status, and MLflow raises its error.
    given |= {"max_retries": 0, "retry_codes": frozenset(), "raise_on_status": False}
    given["timeout"] = (_thread.connect_timeout, _read_timeout(given.get("timeout")))
    # An operation may send several requests: its exception is about the last.
    _thread.status = _thread.retry_after = None
    _thread.foreign = False
    _thread.too_large = None
    with _thread.awaited():
        answer = wrapped(*args[len(names) :], **given)
    _thread.first_read_timeout = None
    status = getattr(answer, "status_code", None)
    if isinstance(status, int) and status >= 400:  # noqa: PLR2004 - client and server errors
        _thread.status = status
        _thread.foreign = status not in _TOO_LARGE and not is_mlflow_error(str(getattr(answer, "text", "")))
        _thread.too_large = _size_of_request(answer) if status == codes["request_entity_too_large"] else None
        seconds = retry_after_seconds(getattr(answer, "headers", None))
        _thread.retry_after = min(seconds, MAX_RETRY_AFTER) if seconds is not None else None
    return answer


def _read_timeout(given: object) -> float:
    seconds = float(given) if isinstance(given, int | float) else READ_TIMEOUT
    if os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT"):
        return seconds
    first = _thread.first_read_timeout
    return min(seconds, READ_TIMEOUT if first is None else first)


def _size_of_request(answer: object) -> int:
    body: object = getattr(getattr(answer, "request", None), "body", None)
    return len(body) if isinstance(body, bytes | str) else 0
