"""Values that a database or its driver does not take are rejected, and an experiment's id of that kind does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, INTERNAL_ERROR

from otel_dspy.mlflow.mapping.operations import MetricPoint
from otel_dspy.mlflow.mapping.trace_operations import LogSpan
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.records.span import SpanRecord
from otel_dspy.mlflow.tracking.requests.error_classification import ErrorClass, UnusableExperimentError, classify
from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
from otel_dspy.mlflow.tracking.store.store import Store
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOO_LARGE = "Python int too large to convert to SQLite INTEGER"
"""sqlite3's `OverflowError`, as MLflow 3.17.2 passes it on."""
NUL = "A string literal cannot contain NUL (0x00) characters."
"""psycopg2's."""
HALF = "'utf-8' codec can't encode character '\\ud800' in position 1: surrogates not allowed"


def _by_a_store(text: str) -> MlflowException:
    return MlflowException(text, INTERNAL_ERROR)


def _by_a_server(text: str) -> MlflowException:
    return RestException({"error_code": "INTERNAL_ERROR", "message": text})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        *((kind(text), ErrorClass.REJECTED) for text in (TOO_LARGE, HALF, NUL) for kind in (_by_a_store, _by_a_server)),
        (OverflowError(TOO_LARGE), ErrorClass.REJECTED),
        (MlflowException(f"the server failed at: {TOO_LARGE}", INTERNAL_ERROR), ErrorClass.RETRY),
        (MlflowException(f"the server failed [parameters: ('{NUL}')]", INTERNAL_ERROR), ErrorClass.RETRY),
        (MlflowException(f"database is locked [parameters: ('{NUL}')]", INTERNAL_ERROR), ErrorClass.WAIT),
    ],
)
def test_a_value_that_a_databases_driver_does_not_take(error: Exception, expected: ErrorClass) -> None:
    """MLflow answers as if it had failed itself; a message that quotes such a text is another's."""
    assert classify(error, error.get_http_status_code() if isinstance(error, MlflowException) else None) is expected


def test_values_that_sqlite_does_not_take(tmp_path: Path) -> None:
    """Times of spans have 64 bits without a sign; half a surrogate comes from bytes that are not UTF-8."""
    store = Store(blank_store(tmp_path))
    experiment = store.experiment_id("mine")
    run_id = store.create_run(experiment, "r", 1, {}).run_id
    too_late = 2**64 - 1
    writes: list[Callable[[], object]] = [
        lambda: store.create_run(experiment, "r", too_late, {}),
        lambda: store.create_run(experiment, "r\ud800", 1, {}),
        lambda: store.end_run(run_id, "FINISHED", too_late),
        lambda: store.log_run(run_id, {}, [MetricPoint("score", 1.0, too_late, 0)], {}),
        lambda: store.log_run(run_id, {}, [MetricPoint("score", 1.0, 1, too_late)], {}),
        lambda: store.log_run(run_id, {"note": "a\ud800"}, [], {}),
        lambda: store.log_run(run_id, {}, [], {"note": "a\ud800"}),
        lambda: store.traces.log_spans(experiment, [_span(too_late)]),
    ]
    for write in writes:
        with pytest.raises(Exception) as raised:  # noqa: PT011 - which one is MLflow's affair
            write()
        assert classify(raised.value) is ErrorClass.REJECTED


def _span(start_ns: int) -> LogSpan:
    span = SpanRecord(
        trace_id="0" * 31 + "1", span_id="0" * 15 + "1", parent_id=None, name="call", kind="INTERNAL",
        start_ns=start_ns, end_ns=start_ns, attributes={},
    )  # fmt: skip
    return LogSpan(key=span.span_id, trace_id=span.trace_id, span=span, parent_id=None, attributes={})


@pytest.mark.parametrize("given", ["99999999999999999999", "9223372036854775808", "4000000000"])
def test_an_id_beyond_those_of_a_database(tmp_path: Path, given: str) -> None:
    """A driver that does not take the number, or a database that has no such row: there is no such experiment."""
    connection = Connection(Destination(blank_store(tmp_path), Experiment(id=given)))
    with pytest.raises((MlflowException, UnusableExperimentError)) as raised:
        connection.ping()
    assert classify(raised.value) is ErrorClass.NO_EXPERIMENT


OUT_OF_RANGE = (
    "(psycopg2.errors.NumericValueOutOfRange) integer out of range\n\n[SQL: SELECT]\n(Background on this error at: "
    "https://sqlalche.me/e/21/9h9h)"
)
"""PostgreSQL's: its ids of experiments have 32 bits."""


@pytest.mark.parametrize(
    "error",
    [
        MlflowException(OUT_OF_RANGE, BAD_REQUEST),
        RestException({"error_code": "BAD_REQUEST", "message": OUT_OF_RANGE}),
        RestException({"error_code": "INTERNAL_ERROR", "message": TOO_LARGE}),
        OverflowError(TOO_LARGE),
    ],
)
def test_an_id_that_a_database_does_not_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Whatever the store answers, nothing is written to it, and the address is not wrong."""
    uri = blank_store(tmp_path)

    def ping(_store: Store, _experiment_id: str) -> None:
        raise error

    monkeypatch.setattr(Store, "ping", ping)
    connection = Connection(Destination(uri, Experiment(id="4000000000")))
    with pytest.raises(UnusableExperimentError) as raised:
        connection.experiment_id()
    assert classify(raised.value) is ErrorClass.NO_EXPERIMENT
    usual = Connection(Destination(uri, Experiment(id="999999999")))
    assert usual.experiment_id() == "999999999"  # without a request
