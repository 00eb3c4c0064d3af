"""Causes of failed requests, as the log shows them."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import requests
from mlflow import MlflowClient
from sqlalchemy import exc

from otel_dspy.mlflow.tracking.requests.error_cause import error_cause, message_of
from otel_dspy.mlflow.tracking.requests.http_policy import no_retries
from tests.support.mlflow_server import free_port


def test_mlflows_own_error() -> None:
    """MLflow's message is three lines long and has the cause at its end."""
    client: Any = MlflowClient(f"http://127.0.0.1:{free_port()}")
    with no_retries(0), pytest.raises(Exception, match="Max retries exceeded") as error:
        client.search_experiments(max_results=1)
    assert error_cause(error.value, 1000) == "connection refused, nothing listens there"


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        (socket.gaierror(-2, "Name or service not known"), "the host name cannot be resolved"),
        (TimeoutError(), "no answer in time"),
        (ConnectionResetError(), "the connection was closed"),
        (ValueError("status 500 of http://me:secret@host/"), "status 500 of http://me@host/"),
    ],
)
def test_chained(raised: Exception, text: str) -> None:
    """The cause is found through the errors around it; without a known one the message is shown, cut off."""
    assert error_cause(raised, 1000) == text
    around = requests.ConnectionError("a very long message")
    around.__context__ = raised
    expected = text if not isinstance(raised, ValueError) else "a very"
    assert error_cause(around, 6) == expected


def test_the_statement_of_a_database_is_not_logged() -> None:
    """Nor its parameters, which are what the program recorded."""
    error = exc.DataError("INSERT INTO params VALUES (:value)", {"value": "private"}, ValueError("value too long"))
    assert error_cause(error, 1000) == "(builtins.ValueError) value too long"
    assert message_of(ValueError("no database")) == "no database"


def test_a_cycle_ends() -> None:
    """Exceptions that name each other as their causes are not followed forever."""
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__context__ = second, first
    assert error_cause(first, 100) == "first"
