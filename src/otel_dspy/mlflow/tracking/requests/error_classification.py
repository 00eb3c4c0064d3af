"""Error classification: whether a failed MLflow request can be retried."""

from __future__ import annotations

import errno
import re
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Final

import requests
from mlflow.exceptions import MlflowException

from otel_dspy.mlflow.tracking.requests import cloud_errors, database_errors, http_policy
from otel_dspy.mlflow.tracking.requests.answered_id import NoIdError
from otel_dspy.mlflow.tracking.requests.error_cause import error_cause, exception_chain, message_of
from otel_dspy.mlflow.tracking.requests.unusable_run import unusable_run
from otel_dspy.mlflow.tracking.requests.workspaces import NoWorkspacesError

if TYPE_CHECKING:
    from collections.abc import Generator


class ErrorClass(Enum):
    """How to handle an error."""

    WAIT = "wait"
    """Unavailable, busy, full or locked: retried until it succeeds."""
    DENIED = "denied"
    """Authentication or authorization failed (401/403). Retried: credentials may be refreshed."""
    RETRY = "retry"
    """The server failed: retried, but not forever if it accepts other requests."""
    AMBIGUOUS = "ambiguous"
    """A database or a proxy failed, or does not take the request: one answer. Retried, and rejected if it recurs."""
    ENDED = "ended"
    """The database has ended the statement or its connection. An outage, or the statement is too large or slow for it:
    retried, but not forever if the database accepts others.
    """
    RACED = "raced"
    """Another writer has just inserted the same row: retried, and then found."""
    NO_EXPERIMENT = "no experiment"
    """The experiment is deleted or does not exist. It accepts data again once restored."""
    NO_RUN = "no run"
    """The run is deleted. It accepts data again once restored."""
    NO_WORKSPACE = "no workspace"
    """The workspace does not exist, or the server or the installed MLflow does not support workspaces."""
    REJECTED = "rejected"
    """Permanently rejected: not retried."""
    UNWRITABLE = "unwritable"
    """For artifacts only: their location is a path that this machine cannot write."""


_BUSY_TEXTS: Final = (
    "database is locked", "database or disk is full", "disk i/o error", "attempt to write a readonly database",
    "deadlock", "could not identify mlflow server version", "connection pool", "queuepool limit", "no space left",
    "read-only transaction", "read only transaction", "read-only option", "read-only mode", "database is read-only",
)  # fmt: skip
"""Messages of databases and their drivers. A PostgreSQL or MySQL is read-only during a fail-over, and many providers
make it so while its disk is full.
"""
_UNREACHABLE_TEXTS: Final = (
    "max retries exceeded", "connection refused", "failed with timeout", "connection aborted", "connection reset",
    "read timed out", "incompleteread", "connection broken",
)  # fmt: skip
_RACED_TEXTS: Final = ("unique constraint", "duplicate key value", "duplicate entry")
"""Messages of sqlite, PostgreSQL and MySQL: MLflow looks up a dataset or a tag before it inserts it."""
_NO_EXPERIMENT: Final = re.compile(
    r"no experiment with id=?\s?\S+ exists|could not find experiment with id|the experiment \S+ must be in the 'active'"
    r"|^(?:invalid_parameter_value: )?invalid experiment id '"
)
"""Messages of MLflow's database stores, of its file stores, and of both; and of an id that is not a number."""
_NO_WORKSPACE: Final = re.compile(
    r"workspace '[^']*' not found|active workspace '[^']*' cannot be used|active workspace is required"
    r"|workspaces are not enabled on this server|workspace name '[^']*' (?:must|cannot|is reserved)"
)
"""Messages of MLflow's servers, of its client, and of its database stores."""
_REJECTION_CODES: Final = frozenset({"INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"})
"""MLflow's error codes for an invalid request, never used for database failures."""
_LONGEST_REASON: Final = 300
"""Maximum characters of an error's message within a longer one."""
_WAIT: Final = frozenset({407, 408, 425, 429, 502, 503, 504})
"""Transient HTTP statuses: busy or unavailable."""
_DENIED: Final = frozenset({401, 403})
_SERVER_ERROR: Final = 500
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})
_UNWRITABLE: Final = frozenset({
    errno.ENOENT, errno.EPERM, errno.EACCES, errno.ENOTDIR, errno.EROFS, errno.EISDIR, errno.ELOOP, errno.ESTALE,
})  # fmt: skip
"""OS errors for a path that does not exist or is not writable."""


class ArtifactStoreError(Exception):
    """Access to an artifact store failed; `__cause__` is the client's error."""


class NoTrackingStoreError(Exception):
    """The address is not that of an MLflow tracking store; `__cause__` is the error of the first request to it."""


class UnusableExperimentError(Exception):
    """MLflow rejects the experiment's name or id; `__cause__` is its error."""


@contextmanager
def tracking_store_access() -> Generator[None]:
    """Raise a rejection of the first requests as an error of the whole address: no operation caused it.

    A proxy that answers 404 while MLflow is redeployed, and a mistyped URI, look the same.

    Raises:
        NoTrackingStoreError: a request was rejected.
    """
    try:
        yield
    except Exception as error:
        status = http_policy.last_status()
        if classify(error, status) in {ErrorClass.REJECTED, ErrorClass.AMBIGUOUS}:
            reason = error_cause(error, _LONGEST_REASON) if status is None else f"status {status}"
            raise NoTrackingStoreError(f"there is no MLflow tracking store at this URI: {reason}") from error
        raise


@contextmanager
def experiment_access() -> Generator[None]:
    """Raise the rejection of an experiment's name or id, by MLflow or its database, as an error of the experiment.

    Raises:
        UnusableExperimentError: MLflow rejected it, with an error code of its own, or its database does not take it.
    """
    try:
        yield
    except Exception as error:
        if _is_rejected_by_mlflow(error) or database_errors.is_unstorable_value(error):
            raise UnusableExperimentError(error_cause(error, _LONGEST_REASON)) from error
        raise


def _is_rejected_by_mlflow(error: Exception) -> bool:
    rejected = isinstance(error, MlflowException) and error.error_code in _REJECTION_CODES
    # MLflow's client derives an error code from the status of a proxy, too.
    by_mlflow = rejected and not http_policy.is_foreign()
    return by_mlflow and classify(error, http_policy.last_status()) is ErrorClass.REJECTED


@contextmanager
def artifact_access() -> Generator[None]:
    """Raise exceptions within the block as errors of the artifact store, not of the tracking store.

    Raises:
        ArtifactStoreError: any exception was raised.
    """
    try:
        yield
    except Exception as error:
        raise ArtifactStoreError(str(error)) from error


def classify(error: BaseException, status: int | None = None) -> ErrorClass:
    """Classify an error by itself and its causes.

    Args:
        error: the exception that MLflow raised.
        status: HTTP status of the response that it was raised for, if there was one.
    """
    if isinstance(error, ArtifactStoreError):
        # Without a cause it represents an earlier failure of the store.
        return ErrorClass.RETRY if error.__cause__ is None else _of_artifacts(error.__cause__, status)
    found = _by_whole_error(error)
    if found is not None:
        return found
    for cause in exception_chain(error):
        found = _by_kind_or_text(cause)
        if found is not None:
            return found
    if (found := _of_database(error)) is not None:
        return found
    known = status if status is not None else _http_status(error)
    if known is None:
        known = next(filter(None, map(cloud_errors.status_in_message, exception_chain(error))), None)
    if known is None:
        return ErrorClass.RETRY if isinstance(error, OSError) else ErrorClass.REJECTED
    return _by_status(known)


def retry_after(error: BaseException) -> float | None:
    """Return the seconds of an object store's `Retry-After`; None without one."""
    delays = (cloud_errors.retry_after(cause) for cause in exception_chain(error))
    return next((seconds for seconds in delays if seconds is not None), None)


def _by_whole_error(error: BaseException) -> ErrorClass | None:
    if isinstance(error, NoTrackingStoreError | NoIdError):
        return ErrorClass.WAIT
    if isinstance(error, UnusableExperimentError):
        return ErrorClass.NO_EXPERIMENT
    if database_errors.ended_by_database(error):  # its cause may be a connection that was reset
        return ErrorClass.ENDED
    run = unusable_run(error)
    return ErrorClass.NO_RUN if run is not None and run.deleted else None


def _of_artifacts(error: BaseException, status: int | None) -> ErrorClass:
    if any(isinstance(cause, OSError) and cause.errno in _UNWRITABLE for cause in exception_chain(error)):
        return ErrorClass.UNWRITABLE
    found = classify(error, status)
    return {ErrorClass.AMBIGUOUS: ErrorClass.RETRY, ErrorClass.ENDED: ErrorClass.WAIT}.get(found, found)


def _of_database(error: BaseException) -> ErrorClass | None:
    if database_errors.is_broken_connection(error):
        return ErrorClass.WAIT
    if database_errors.is_unsendable_value(error):
        return ErrorClass.REJECTED
    rejected = isinstance(error, MlflowException) and error.error_code in _REJECTION_CODES
    return ErrorClass.AMBIGUOUS if not rejected and database_errors.is_ambiguous(error) else None


def _by_status(status: int) -> ErrorClass:
    if status in _WAIT:
        return ErrorClass.WAIT
    if status in _DENIED:
        return ErrorClass.DENIED
    return ErrorClass.RETRY if status >= _SERVER_ERROR else ErrorClass.REJECTED


def _by_kind_or_text(cause: BaseException) -> ErrorClass | None:
    status = cloud_errors.http_status(cause)
    if status is not None:
        return _by_status(status)
    unreachable = isinstance(cause, requests.ConnectionError | requests.Timeout | ConnectionError | TimeoutError)
    if unreachable or (isinstance(cause, OSError) and cause.errno in _FULL):
        return ErrorClass.WAIT
    text = message_of(cause).lower()  # the parameters of a statement are data of the program
    if isinstance(cause, NoWorkspacesError) or _NO_WORKSPACE.search(text):
        return ErrorClass.NO_WORKSPACE
    # The message of a rejection quotes user data, which may contain any of these texts.
    rejected = isinstance(cause, MlflowException) and cause.error_code in _REJECTION_CODES
    if not rejected and any(found in text for found in _BUSY_TEXTS + _UNREACHABLE_TEXTS):
        return ErrorClass.WAIT
    if _NO_EXPERIMENT.search(text):
        return ErrorClass.NO_EXPERIMENT
    return ErrorClass.RACED if any(found in text for found in _RACED_TEXTS) else None


def _http_status(error: BaseException) -> int | None:
    if isinstance(error, MlflowException):
        return int(error.get_http_status_code())
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code
    return None
