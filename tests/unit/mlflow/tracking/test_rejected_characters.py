"""Databases that lack characters, such as a MySQL in `latin1`: what holds them is lost, and nothing else."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST

from otel_dspy.mlflow.mapping.naming import DESCRIPTION
from otel_dspy.mlflow.mapping.operations import MetricPoint
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.requests import retry
from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome
from otel_dspy.mlflow.tracking.requests.retry import Retrier
from otel_dspy.mlflow.tracking.runs import report_writer
from otel_dspy.mlflow.tracking.runs.description_tag import write_description
from otel_dspy.mlflow.tracking.runs.ended_descriptions import EndedDescriptions
from otel_dspy.mlflow.tracking.runs.report_writer import ReportRequest
from otel_dspy.mlflow.tracking.runs.run_batch import RunBatch
from otel_dspy.mlflow.tracking.runs.split_run_batch import send_batch
from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
from otel_dspy.reporting import report as reporting
from tests.support.blank_store import store_with_experiment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from otel_dspy.mlflow.tracking.store.store import RunHandle, Store

NO_CHARACTER = (
    """(pymysql.err.DataError) (1366, "Incorrect string value: '\\\\xE2\\\\x98\\\\x85' for column `tags`.`value`")"""
    "\n[SQL: INSERT]\n(Background on this error at: https://sqlalche.me/e/20/9h9h)"
)
"""Message of MariaDB 10.11, as MLflow 3.17.2 passes it on."""


def latin1(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return the store of a connection, which from now on takes no text that is not in `latin1`."""
    store = connection.store()
    log_run = store.log_run

    def log(run_id: str, params: Mapping[str, str], points: Sequence[MetricPoint], tags: Mapping[str, str]) -> None:
        try:
            for value in (*params.values(), *tags.values()):
                value.encode("latin1")
        except UnicodeEncodeError as error:
            raise MlflowException(NO_CHARACTER, BAD_REQUEST) from error
        log_run(run_id, params, points, tags)

    monkeypatch.setattr(store, "log_run", log)
    return store


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    """An experiment in a store on sqlite."""
    return Connection(Destination(store_with_experiment(tmp_path, "mine"), Experiment(name="mine")))


@pytest.fixture
def run(connection: Connection) -> RunHandle:
    """A run of the experiment."""
    return connection.store().create_run(connection.experiment_id(), "r", 1, {})


def test_a_description_is_written_without_the_characters(
    connection: Connection, run: RunHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With question marks in their place; one of the user is left alone, and another error is raised."""
    store = latin1(connection, monkeypatch)
    write_description(store, run.run_id, "0 ★ of 3")
    assert store.run_tags(run.run_id)[DESCRIPTION] == "0 ? of 3"
    write_description(store, run.run_id, "1 ★ of 3")
    assert store.run_tags(run.run_id)[DESCRIPTION] == "1 ? of 3"

    def log_run(*_given: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(store, "log_run", log_run)
    with pytest.raises(ConnectionError):
        write_description(store, run.run_id, "2 ★ of 3")


def test_the_other_tags_of_a_run_are_logged(
    connection: Connection, run: RunHandle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With one line, which names the tag."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    store = latin1(connection, monkeypatch)
    batch = RunBatch(points=[MetricPoint("score", 1.0, 1, 0)], tags={"a": "1", "name": "★", "z": "3"})

    def send(part: RunBatch) -> None:
        store.log_run(run.run_id, part.params, part.points, part.tags)

    outcomes = list(send_batch(Retrier("m", threading.Event(), lambda: None), batch, send))
    assert sorted(outcome.value for outcome in outcomes) == ["done", "done", "done", "rejected"]
    assert Outcome.REJECTED in outcomes
    tags = store.run_tags(run.run_id)
    assert (tags["a"], tags["z"], tags.get("name")) == ("1", "3", None)
    assert "rejected tag name: (pymysql.err.DataError)" in caplog.text


def test_a_report_is_written_whose_description_is_rejected(
    connection: Connection, run: RunHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The artifact store takes what the tracking store does not."""
    found = SimpleNamespace(verdict=SimpleNamespace(evidence=""), description="d", html="<p>★</p>")
    written: dict[str, str] = {}

    def read_report(*_given: object, **_named: object) -> Any:
        return found

    def rejected(*_given: object) -> None:
        raise MlflowException(NO_CHARACTER, BAD_REQUEST)

    def write_text(_uri: str, path: str, text: str) -> None:
        written[path] = text

    monkeypatch.setattr(reporting, "read_report", read_report)
    monkeypatch.setattr(report_writer, "write_description", rejected)
    monkeypatch.setattr(connection.store().artifacts, "write_text", write_text)
    with pytest.raises(MlflowException):
        report_writer.write(ReportRequest(connection, run, ended=True), EndedDescriptions())
    assert written == {"report.html": "<p>★</p>"}
