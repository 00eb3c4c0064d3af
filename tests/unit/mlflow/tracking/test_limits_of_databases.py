"""Statements that a database ends each time, and databases that are read-only for a while."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, TEMPORARILY_UNAVAILABLE
from sqlalchemy import exc

from otel_dspy.mlflow.mapping.trace_operations import LogSpan
from otel_dspy.mlflow.records.span import SpanRecord
from otel_dspy.mlflow.tracking.requests import retry
from otel_dspy.mlflow.tracking.requests.error_classification import ArtifactStoreError, ErrorClass, classify
from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome
from otel_dspy.mlflow.tracking.requests.retry import MAX_AMBIGUOUS, MAX_RETRIES, Retrier
from otel_dspy.mlflow.tracking.traces.split_span_batch import send_trace

if TYPE_CHECKING:
    from collections.abc import Callable

TOO_LARGE = (
    """(pymysql.err.OperationalError) (2006, "MySQL server has gone away (ConnectionResetError(104, 'reset'))")"""
)
"""MariaDB 10.11 has closed the connection because of `max_allowed_packet`, as it does when it is shut down."""
TOO_SLOW = "(psycopg2.errors.QueryCanceled) canceling statement due to statement timeout\n"
CLOSED = (
    "(psycopg2.OperationalError) server closed the connection unexpectedly\n\tThis probably means the server terminated"
)
READ_ONLY = "(psycopg2.errors.ReadOnlySqlTransaction) cannot execute INSERT in a read-only transaction\n"
STATEMENT = "\n[SQL: INSERT]\n[parameters: ('{}',)]\n(Background on this error at: https://sqlalche.me/e/20/{})"


def of_a_store(text: str, code: Any = TEMPORARILY_UNAVAILABLE) -> MlflowException:
    """Return MLflow's error in a process that has the database open."""
    return MlflowException(
        text + STATEMENT.format("private", "e3q8" if code == TEMPORARILY_UNAVAILABLE else "2j85"), code
    )


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "LONGEST_PAUSE", 0.001)


@pytest.mark.parametrize("text", [TOO_LARGE, TOO_SLOW, CLOSED])
def test_a_statement_that_the_database_ends(text: str) -> None:
    """As MLflow raises it for a store and for a server; artifacts are waited for, as before a restart."""
    error = of_a_store(text)
    error.__cause__ = ConnectionResetError(104, "reset")
    assert classify(error) is ErrorClass.ENDED
    assert (
        classify(RestException({"error_code": "TEMPORARILY_UNAVAILABLE", "message": str(error)}), 503)
        is ErrorClass.ENDED
    )
    assert classify(exc.OperationalError("INSERT", {}, RuntimeError("server closed the connection"))) is ErrorClass.WAIT
    of_artifacts = ArtifactStoreError("no")
    of_artifacts.__cause__ = error
    assert classify(of_artifacts) is ErrorClass.WAIT


def test_a_text_of_the_program_is_no_error_of_the_database() -> None:
    """The parameters of a statement and the values that a message quotes may have any text."""
    rejected = "(psycopg2.errors.StringDataRightTruncation) value too long for type character varying(8)"
    for text in ("server closed the connection unexpectedly", "deadlock", "in a read-only transaction"):
        error = MlflowException(rejected + STATEMENT.format(text, "9h9h"), BAD_REQUEST)
        assert classify(error, 400) is ErrorClass.AMBIGUOUS
    assert classify(MlflowException("metric 'out of memory (a.b) server has gone away'"), 400) is ErrorClass.REJECTED


@pytest.mark.parametrize(
    "text",
    [
        READ_ONLY,
        "(pymysql.err.OperationalError) (1290, 'The MariaDB server is running with the --read-only option so it cannot')",
        "(pymysql.err.OperationalError) (1792, 'Cannot execute statement in a READ ONLY transaction.')",
        "(pymysql.err.OperationalError) (1836, 'Running in read-only mode')",
    ],
)
def test_a_read_only_database_is_waited_for(text: str) -> None:
    """During a fail-over: what it does not accept then is not lost."""
    assert classify(of_a_store(text, BAD_REQUEST), 400) is ErrorClass.WAIT
    assert classify(RestException({"error_code": "BAD_REQUEST", "message": text}), 400) is ErrorClass.WAIT


def failing(times: int, calls: list[int], text: str = TOO_LARGE) -> Callable[[], None]:
    """Return an attempt that the database ends that often."""

    def attempt() -> None:
        calls.append(len(calls))
        if len(calls) <= times:
            raise of_a_store(text)

    return attempt


def test_a_statement_that_is_always_ended_does_not_block_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """It stays in the spool, with one line that has the reason, and MLflow does not count as unavailable."""
    tried, calls = Retrier("http://m", threading.Event(), lambda: None), list[int]()
    assert tried.run("LogDataset", failing(100, calls)).outcome is Outcome.FAILED
    assert (len(calls), tried.failing_since) == (MAX_RETRIES, None)
    (line,) = caplog.messages
    assert "failed to store LogDataset; it is kept in the spool" in line
    assert "gone away" in line
    assert "private" not in line


def test_a_restart_of_the_database_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """While it does not answer either, whatever the number of attempts."""
    calls, answers = list[int](), list[int]()

    def answer() -> None:
        answers.append(1)
        if len(answers) < 20:
            raise of_a_store(CLOSED)

    tried = Retrier("http://m", threading.Event(), answer)
    assert tried.run("spans", failing(20, calls, CLOSED), divisible=True).outcome is Outcome.DONE
    assert "is unavailable" in caplog.text
    assert tried.failing_since is None


@pytest.mark.parametrize("most", [1, 3])
def test_a_span_that_is_too_large_is_found_among_others(most: int, caplog: pytest.LogCaptureFixture) -> None:
    """The others are written: spans that are too large together are written apart."""
    spans = [span(number) for number in range(16)]
    written, calls = list[str](), list[int]()

    def send(some: list[LogSpan]) -> None:
        calls.append(len(some))
        if len(some) > most or spans[5] in some:
            raise of_a_store(TOO_LARGE)
        written.extend(found.span.span_id for found in some)

    tried = Retrier("http://m", threading.Event(), lambda: None)
    outcomes = list(send_trace(tried, spans, send))
    assert sorted(written) == [found.span.span_id for found in spans if found is not spans[5]]
    assert outcomes.count(Outcome.FAILED) == 1
    assert calls.count(16) == MAX_AMBIGUOUS
    assert len(caplog.messages) == 1
    before = len(calls)
    list(send_trace(tried, spans, send))
    assert calls[before:].count(16) == 1  # the next one is found sooner


def span(number: int) -> LogSpan:
    """Return a span of one trace."""
    record = SpanRecord(
        trace_id="0" * 31 + "1", span_id=f"{number + 1:016x}", parent_id=None, name="call", kind="INTERNAL", start_ns=1,
        end_ns=2, attributes={},
    )  # fmt: skip
    return LogSpan(key=str(number), trace_id=record.trace_id, span=record, parent_id=None, attributes={})
