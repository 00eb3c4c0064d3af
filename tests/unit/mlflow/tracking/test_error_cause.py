"""Causes of failed requests, as the log shows them."""

from __future__ import annotations

import socket
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
import requests
from mlflow import MlflowClient, environment_variables
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from sqlalchemy import create_engine, exc, text

from otel_dspy.mlflow.tracking.requests.error_cause import error_cause, is_locked, message_of
from otel_dspy.mlflow.tracking.requests.http_policy import no_retries
from tests.support.mlflow_server import free_port

if TYPE_CHECKING:
    from pathlib import Path


def test_mlflows_own_error() -> None:
    """MLflow's message is three lines long and has the cause at its end."""
    client: Any = MlflowClient(f"http://127.0.0.1:{free_port()}")
    with no_retries(0), pytest.raises(Exception, match="Max retries exceeded") as error:
        client.search_experiments(max_results=1)
    assert error_cause(error.value, 1000) == "connection refused, nothing listens there"


@pytest.mark.skipif(not hasattr(environment_variables, "MLFLOW_ALLOW_FILE_STORE"), reason="this MLflow has file stores")
def test_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's message on its file store is five sentences long: the cause is one, and names what to use instead."""
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(MlflowException) as error:
        MlflowClient(str(tmp_path))
    assert error_cause(error.value, 1000) == (
        "MLflow keeps no data in a folder any more: name a database, such as sqlite:///mlflow.db, or set "
        "MLFLOW_ALLOW_FILE_STORE=true"
    )


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


def test_a_database_that_another_process_has_locked(tmp_path: Path) -> None:
    """The cause is in words, in MLflow's error too, which has SQLAlchemy's as its message."""
    path = tmp_path / "mlflow.db"
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 0})
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with engine.connect() as connection, pytest.raises(exc.OperationalError) as error:
            connection.execute(text("CREATE TABLE runs (id INTEGER)"))
    finally:
        other.close()
        engine.dispose()
    for raised in (error.value, MlflowException(str(error.value), TEMPORARILY_UNAVAILABLE)):
        assert is_locked(raised)
        assert error_cause(raised, 1000) == "another process writes to its database"
    assert not is_locked(ValueError("no database is locked here"))


def test_advice_of_sqlalchemy_is_left_out() -> None:
    """A read that writes what was to be written raises an error with advice before its message."""
    error = exc.OperationalError("INSERT", {}, ValueError("database is locked"))
    error.add_detail(
        "raised as a result of Query-invoked autoflush; consider using a session.no_autoflush block if this flush is "
        "occurring prematurely"
    )
    assert message_of(error) == "(builtins.ValueError) database is locked"
    assert is_locked(error)
