"""MLflow's own retries switched off on our thread, and what the last answer said beside its body.

MLflow's HTTP client tries a request eight times over minutes before it tells of a failure, sleeping inside. Here it
tells at once, and `sink` waits and tries again: so that an outage is noticed within seconds and an exit never hangs.
Requests of other threads are not touched, nor is any environment variable.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import wrapt

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

READ_TIMEOUT: Final = 60.0
"""Seconds that a request may wait for its answer, unless the user has set MLFLOW_HTTP_REQUEST_TIMEOUT."""
FIRST_CONNECT_TIMEOUT: Final = 2.0
LONGEST_CONNECT_TIMEOUT: Final = 10.0
"""Seconds that a connection may take; doubled with each failure, for networks that are slow rather than down."""
MAX_RETRY_AFTER: Final = 300.0
"""Seconds that a server may make us wait with `Retry-After`."""

_REQUEST: Final = "_get_http_response_with_retries"
_MODULES: Final = ("mlflow.utils.rest_utils", "mlflow.utils.request_utils")
_CHATTY: Final = "mlflow.store.db.utils"
"""Logs a stack trace each time that a local database is busy; that is told by `sink`, once."""


class _Thread(threading.local):
    ours: bool = False
    connect_timeout: float = FIRST_CONNECT_TIMEOUT
    status: int | None = None
    retry_after: float | None = None


_thread = _Thread()
_installed = False


@contextmanager
def no_retries(failures: int) -> Generator[None]:
    """Within the block this thread's requests to MLflow are made once.

    Args:
        failures: how often the operation has failed before.
    """
    _install()
    before = _thread.ours
    _thread.ours, _thread.status, _thread.retry_after = True, None, None
    _thread.connect_timeout = min(FIRST_CONNECT_TIMEOUT * 2 ** min(failures, 8), LONGEST_CONNECT_TIMEOUT)
    try:
        yield
    finally:
        _thread.ours = before


def last_status() -> int | None:
    """HTTP status of this thread's last answer since `no_retries` began, where that was no success."""
    return _thread.status


def retry_after() -> float | None:
    """Seconds that the server asked to be left alone, since `no_retries` began."""
    return _thread.retry_after


def _install() -> None:
    global _installed  # noqa: PLW0603 - once in a process
    if _installed:
        return
    _installed = True
    for name in _MODULES:
        # Private to MLflow: where it is not (any more), its own retries stay, and only the first warning comes late.
        with suppress(ImportError, AttributeError):
            module = importlib.import_module(name)
            setattr(module, _REQUEST, wrapt.FunctionWrapper(getattr(module, _REQUEST), _once))
    logging.getLogger(_CHATTY).addFilter(lambda _record: not _thread.ours)


def _once(wrapped: Callable[..., Any], _instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401 - passes on what MLflow gives
    if not _thread.ours:
        return wrapped(*args, **kwargs)
    names = ("method", "url", "max_retries", "backoff_factor", "backoff_jitter", "retry_codes", "raise_on_status")
    given = dict(zip(names, args, strict=False)) | kwargs
    # No codes to retry on: the answer comes back whatever its status, and MLflow raises what it says.
    given |= {"max_retries": 0, "retry_codes": frozenset(), "raise_on_status": False}
    given["timeout"] = (_thread.connect_timeout, _read_timeout(given.get("timeout")))
    # An operation may be several requests: what it raises is about the last.
    _thread.status = _thread.retry_after = None
    answer = wrapped(*args[len(names) :], **given)
    status = getattr(answer, "status_code", None)
    if isinstance(status, int) and status >= 400:  # noqa: PLR2004 - client and server errors
        _thread.status = status
        with suppress(KeyError, ValueError, TypeError, AttributeError):
            # Seconds; the form with a date is not used by rate limiters and falls back to our own pauses.
            _thread.retry_after = min(float(answer.headers["Retry-After"]), MAX_RETRY_AFTER)
    return answer


def _read_timeout(given: object) -> float:
    seconds = float(given) if isinstance(given, int | float) else READ_TIMEOUT
    return seconds if os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT") else min(seconds, READ_TIMEOUT)
