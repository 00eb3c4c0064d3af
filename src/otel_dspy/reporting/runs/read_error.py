"""Error of an MLflow store that cannot be read: which one, the cause, and what to do."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from mlflow.exceptions import MlflowException

from otel_dspy.mlflow.tracking.requests.error_cause import (
    WHILE_DENIED,
    WHILE_MISSING,
    error_cause,
    missing_module,
    tls_failure_of,
)
from otel_dspy.mlflow.tracking.requests.error_classification import ErrorClass, classify
from otel_dspy.mlflow.tracking.requests.tls_errors import WHAT_TO_DO
from otel_dspy.mlflow.tracking_uri import address_without_passwords

if TYPE_CHECKING:
    from collections.abc import Generator

_LONGEST: Final = 500
"""Maximum characters of a cause."""
_STATUS: Final = re.compile(r"failed with error code (\d{3}) != 200\b.*", re.DOTALL)
"""MLflow's message on a response that is not its own, followed by the response's text (MLflow 3.17)."""
_NOT_JSON: Final = "response body was not in a valid JSON format"
"""Part of MLflow's message on a successful response that is not its own, as that of another server."""


class StoreReadError(MlflowException):
    """An MLflow store could not be read; `__cause__` is the error of MLflow or of its transport.

    Attributes:
        tracking_uri: the store.
    """

    tracking_uri: str = ""


@contextmanager
def store_errors(tracking_uri: str) -> Generator[None]:
    """Raise errors of MLflow and of its transport within the block with a message of one line, without passwords.

    Args:
        tracking_uri: the store that the block reads.

    Raises:
        StoreReadError: The store did not answer, or rejected a request; it has the error code of MLflow's error.
    """
    try:
        yield
    except StoreReadError:
        raise
    except (MlflowException, OSError) as error:
        raised = StoreReadError(read_error_text(error, tracking_uri, "pass another tracking_uri"))
        raised.tracking_uri = tracking_uri
        if isinstance(error, MlflowException):
            raised.error_code = error.error_code
        raise raised from error


def read_error_text(error: BaseException, tracking_uri: str, another: str) -> str:
    """Return which store could not be read, the cause and what to do, in one line without passwords.

    Args:
        error: the error that MLflow or its transport raised.
        tracking_uri: the store.
        another: how the caller names another store.
    """
    if isinstance(error, StoreReadError) and error.__cause__ is not None:
        error = error.__cause__
    uri = address_without_passwords(tracking_uri)
    cause = _cause(error).rstrip(".")
    return f"MLflow at {uri} could not be read: {cause}. {_what_to_do(error, another)}"


def _cause(error: BaseException) -> str:
    text = " ".join(error_cause(error, _LONGEST).split())
    if _NOT_JSON in text:
        return "the response is not one of MLflow"
    status = _STATUS.search(text)
    return text if status is None else f"status {status[1]}"


def _what_to_do(error: BaseException, another: str) -> str:
    if (missing := missing_module(error)) is not None:
        return WHILE_MISSING % missing
    failure = tls_failure_of(error)
    if failure is not None:
        return WHAT_TO_DO[failure.remedy]
    if classify(error) is ErrorClass.DENIED:
        return WHILE_DENIED
    return f"Start MLflow there, or {another}."
