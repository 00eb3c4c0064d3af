"""Which errors are retried, and which are final."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, cast

import pytest
import requests
from fastapi import FastAPI
from fastapi.testclient import TestClient
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, INTERNAL_ERROR, INVALID_PARAMETER_VALUE
from mlflow.server import otel_api
from mlflow.utils import rest_utils
from sqlalchemy import exc

from benchmarks.bridge_load import requests_of
from otel_dspy.mlflow.tracking.requests.error_classification import (
    ArtifactStoreError,
    ErrorClass,
    NoTrackingStoreError,
    UnusableExperimentError,
    classify,
    experiment_access,
    tracking_store_access,
)
from otel_dspy.mlflow.tracking.requests.unusable_run import UnusableRun, unusable_run
from otel_dspy.mlflow.tracking.store.store import Store
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *[(status, ErrorClass.WAIT) for status in (408, 429, 502, 503, 504)],
        *[(status, ErrorClass.DENIED) for status in (401, 403)],
        (500, ErrorClass.RETRY),
        *[(status, ErrorClass.REJECTED) for status in (400, 404, 409, 413, 422)],
    ],
)
def test_by_status(status: int, expected: ErrorClass) -> None:
    """The status of the answer counts, whatever MLflow's exception makes of it."""
    assert classify(MlflowException("no"), status) is expected


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("refused"),
        requests.ReadTimeout("read timed out"),
        ConnectionResetError(errno.ECONNRESET, "reset"),
        OSError(errno.ENOSPC, "No space left on device"),
        MlflowException("(sqlite3.OperationalError) database is locked"),
        MlflowException("(sqlite3.OperationalError) database or disk is full"),
        MlflowException("QueuePool limit of size 1 overflow 1 reached, connection timed out, timeout 30", BAD_REQUEST),
        MlflowException("API request to http://x failed with exception ('Connection aborted.', ...)"),
    ],
)
def test_what_passes_is_waited_for(error: Exception) -> None:
    """Unreachable, locked, full."""
    assert classify(error) is ErrorClass.WAIT


BROKEN = "(psycopg2.InterfaceError) connection already closed"


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        (RestException({"detail": "Failed to log OpenTelemetry spans"}), 422, ErrorClass.AMBIGUOUS),
        (MlflowException(f"{BROKEN} (Background on this error at: https://sqlalche.me/e/20/rvf5)", BAD_REQUEST), None,
         ErrorClass.AMBIGUOUS),
        (exc.PendingRollbackError("Can't reconnect until invalid transaction is rolled back."), None,
         ErrorClass.AMBIGUOUS),
        (exc.DataError("INSERT", {}, ValueError("value too long")), None, ErrorClass.AMBIGUOUS),
        (exc.OperationalError("COMMIT", {}, RuntimeError("server closed the connection")), None, ErrorClass.WAIT),
        (exc.InterfaceError("ROLLBACK", {}, RuntimeError("connection already closed")), None, ErrorClass.WAIT),
        (MlflowException("Invalid metric name (https://sqlalche.me/e/20/rvf5)", INVALID_PARAMETER_VALUE), 400,
         ErrorClass.REJECTED),
        (MlflowException("no such endpoint", BAD_REQUEST), 400, ErrorClass.REJECTED),
    ],
)  # fmt: skip
def test_a_database_that_fails_during_a_request(error: Exception, status: int | None, expected: ErrorClass) -> None:
    """MLflow's server answers 422 or 400 to a connection that breaks, as it does to data that it does not take."""
    assert classify(error, status) is expected


class BrokenStore:
    """A store whose roll-back fails with the connection."""

    def log_spans(self, *_given: object, **_named: object) -> None:
        """Raise what PostgreSQL's driver does."""
        raise exc.OperationalError("ROLLBACK", {}, RuntimeError("server closed the connection unexpectedly"))


def test_mlflows_answer_to_spans_while_its_database_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the installed version, as MLflow's client raises it."""
    monkeypatch.setattr(otel_api, "_get_tracking_store", BrokenStore)
    app = FastAPI()
    app.include_router(otel_api.otel_router)
    _, body = next(requests_of(1, 1))
    headers = {"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": "0"}
    answer = TestClient(app).post("/v1/traces", content=body, headers=headers)
    with pytest.raises(RestException) as raised:
        cast("Any", rest_utils).verify_rest_response(answer, "/v1/traces")
    assert (answer.status_code, classify(raised.value, answer.status_code)) == (422, ErrorClass.AMBIGUOUS)


def test_an_artifact_whose_database_fails_is_retried() -> None:
    """Artifacts are retried a limited number of times."""
    error = ArtifactStoreError("no")
    error.__cause__ = exc.PendingRollbackError("Can't reconnect until invalid transaction is rolled back.")
    assert classify(error) is ErrorClass.RETRY


@pytest.mark.parametrize("deleted", [True, False])
def test_an_experiment_that_is_gone_may_come_back(tmp_path: Path, *, deleted: bool) -> None:
    """Deleted or missing experiments are recoverable; a missing run is not."""
    uri = blank_store(tmp_path)
    store = Store(uri)
    gone = store.experiment_id("mine") if deleted else "77"
    client = MlflowClient(uri)
    if deleted:
        client.delete_experiment(gone)
    with pytest.raises(MlflowException) as raised:
        store.create_run(gone, "r", 1, {})
    assert classify(raised.value) is ErrorClass.NO_EXPERIMENT
    with pytest.raises(MlflowException) as raised:
        store.run_tags("0" * 32)
    assert classify(raised.value) is ErrorClass.REJECTED


@pytest.mark.parametrize("with_experiment", [True, False])
def test_a_deleted_run_may_come_back(tmp_path: Path, *, with_experiment: bool) -> None:
    """Deleted by itself or with its experiment; every write of a run raises the same."""
    uri = blank_store(tmp_path)
    store, client = Store(uri), MlflowClient(uri)
    experiment = store.experiment_id("mine")
    run_id = store.create_run(experiment, "r", 1, {}).run_id
    if with_experiment:
        client.delete_experiment(experiment)
    else:
        client.delete_run(run_id)
    writes: list[Callable[[], None]] = [
        lambda: store.log_run(run_id, {"name": "value"}, [], {}),
        lambda: store.log_run(run_id, {}, [], {"name": "value"}),
        lambda: store.end_run(run_id, "FINISHED", 2),
    ]
    for write in writes:
        with pytest.raises(MlflowException) as raised:
            write()
        assert classify(raised.value) is ErrorClass.NO_RUN
        assert unusable_run(raised.value) == UnusableRun(run_id, deleted=True)


@pytest.mark.parametrize(
    ("text", "deleted"),
    [
        ("The run 1f must be in 'active' lifecycle_stage.", True),
        ("INVALID_PARAMETER_VALUE: The run 1f must be in the 'active' state. Current state is deleted.", True),
        ("Run '1f' not found", False),
        ("RESOURCE_DOES_NOT_EXIST: Run with id=1f not found", False),
    ],
)
def test_an_unusable_run_in_other_stores(text: str, *, deleted: bool) -> None:
    """A file store's messages, and those of a server's client."""
    assert unusable_run(MlflowException(text)) == UnusableRun("1f", deleted=deleted)


def test_a_value_that_quotes_a_deleted_run() -> None:
    """A parameter's conflict is its own."""
    text = "Changing param values is not allowed. Old value: 'The run 1f must be in the 'active' state.'"
    error = MlflowException(text, INVALID_PARAMETER_VALUE)
    assert (classify(error), unusable_run(error)) == (ErrorClass.REJECTED, None)


def test_a_refusal_may_quote_anything() -> None:
    """The conflicting value of a parameter, quoted in the error, does not count as a database error."""
    text = "Changing param values is not allowed. Old value: 'x', new value: 'deadlock: database is locked'"
    assert classify(MlflowException(text, INVALID_PARAMETER_VALUE)) is ErrorClass.REJECTED


def test_the_cause_counts() -> None:
    """MLflow wraps what its transport raised."""
    error = MlflowException("failed", error_code=1)
    error.__cause__ = requests.ConnectionError("gone")
    assert classify(error) is ErrorClass.WAIT


@pytest.mark.parametrize(
    "text",
    [
        "(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.experiment_id, datasets.name, datasets.digest",
        '(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint "dataset_pk"',
        "(pymysql.err.IntegrityError) (1062, \"Duplicate entry '1-train' for key 'PRIMARY'\")",
    ],
)
@pytest.mark.parametrize("status", [None, 400, 500])
def test_a_row_that_another_writer_just_added_is_looked_up_again(text: str, status: int | None) -> None:
    """Two bridges log the same dataset at once: both find none, and one insert fails."""
    assert classify(MlflowException(text), status) is ErrorClass.RACED


def test_an_artifact_store_that_has_failed_before() -> None:
    """The error has no cause of its own: it stands for an earlier one, and is retried."""
    assert classify(ArtifactStoreError("the artifact store has failed during this delivery")) is ErrorClass.RETRY


@pytest.mark.parametrize("uri", ["sqlite:///{}", "postgresql+unknown://host/{}"], ids=["no database", "no driver"])
def test_a_store_that_sqlalchemy_cannot_open_is_waited_for(uri: str, tmp_path: Path) -> None:
    """The tracking URI is wrong, or the file damaged: no operation caused it, and none is lost."""
    file = tmp_path / "text"
    file.write_text("no database " * 100)
    with pytest.raises(NoTrackingStoreError) as raised, tracking_store_access():
        Store(uri.format(file)).experiment_id("Default")
    assert classify(raised.value) is ErrorClass.WAIT


TOO_LONG = (
    "(psycopg2.errors.StringDataRightTruncation) value too long for type character varying(256)\n\n[SQL: INSERT INTO "
    "experiments (name) VALUES (%(name)s)]\n(Background on this error at: https://sqlalche.me/e/21/9h9h)"
)
"""PostgreSQL's, as MLflow 3.17.2 passes it on: its own limit of an experiment's name is 500 characters."""
NUL = "A string literal cannot contain NUL (0x00) characters."
"""psycopg2's."""


@pytest.mark.parametrize(
    "error",
    [
        MlflowException("Invalid experiment name: ''", INVALID_PARAMETER_VALUE),
        MlflowException(TOO_LONG, BAD_REQUEST),
        RestException({"error_code": "BAD_REQUEST", "message": TOO_LONG}),
        exc.DataError("INSERT", {}, ValueError("value too long")),
        MlflowException(NUL, INTERNAL_ERROR),
        RestException({"error_code": "INTERNAL_ERROR", "message": NUL}),
        UnicodeEncodeError("utf-8", "a\ud800", 1, 2, "surrogates not allowed"),
    ],
)
def test_a_name_that_a_database_does_not_take_is_the_experiments(error: Exception) -> None:
    """MLflow checks part of it; what the database or its driver rejects is no wrong tracking URI, and no outage."""
    with pytest.raises(UnusableExperimentError) as raised, tracking_store_access(), experiment_access():
        raise error
    assert classify(raised.value) is ErrorClass.NO_EXPERIMENT


def test_a_name_that_cannot_be_encoded(tmp_path: Path) -> None:
    """The bytes of an environment variable that are not UTF-8 are such characters."""
    with pytest.raises(UnusableExperimentError), tracking_store_access(), experiment_access():
        Store(blank_store(tmp_path)).experiment_id("Mess\udce4rgebnis")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MlflowException(f"{BROKEN} (Background on this error at: https://sqlalche.me/e/20/rvf5)", BAD_REQUEST),
         NoTrackingStoreError),
        (MlflowException("no such endpoint", BAD_REQUEST), NoTrackingStoreError),
        (MlflowException("no", INTERNAL_ERROR), MlflowException),
        (requests.ConnectionError("refused"), requests.ConnectionError),
    ],
)  # fmt: skip
def test_what_else_fails_at_the_experiment_is_not_its_names(error: Exception, expected: type[Exception]) -> None:
    """A connection that breaks meanwhile, an address that is not MLflow's, a server that fails or is away."""
    with pytest.raises(expected) as raised, tracking_store_access(), experiment_access():
        raise error
    assert type(raised.value) is expected


def test_an_id_that_no_experiment_can_have(tmp_path: Path) -> None:
    """Such as a name in MLFLOW_EXPERIMENT_ID: nothing is rejected for it, as for an id that does not exist."""
    with pytest.raises(MlflowException) as raised:
        Store(blank_store(tmp_path)).create_run("my experiment", "r", 1, {})
    assert classify(raised.value) is ErrorClass.NO_EXPERIMENT
    answered = RestException({"error_code": "INVALID_PARAMETER_VALUE", "message": str(raised.value)})
    assert classify(answered, 400) is ErrorClass.NO_EXPERIMENT
    quoted = "Changing param values is not allowed. Old value: 'Invalid experiment ID 'x''"
    assert classify(MlflowException(quoted, INVALID_PARAMETER_VALUE)) is ErrorClass.REJECTED
