"""Retry policy: number of attempts, outcomes and warnings."""

from __future__ import annotations

import errno
import http.server
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import requests
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, INTERNAL_ERROR, TEMPORARILY_UNAVAILABLE

from otel_dspy.mlflow.tracking.requests import answer_monitor, outage_log, retry
from otel_dspy.mlflow.tracking.requests.concurrent_requests import ConcurrentRequests, Request
from otel_dspy.mlflow.tracking.requests.error_classification import ArtifactStoreError, artifact_access
from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome
from otel_dspy.mlflow.tracking.requests.retry import MAX_RETRIES, Retrier
from otel_dspy.mlflow.tracking.store.store import Store
from tests.support.loopback_server import LoopbackHandler, running
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class RecordedWaits(threading.Event):
    """A stop event that records how long it is waited for and returns at once."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Record the timeout; the event is not set."""
        assert timeout is not None
        self.seconds.append(timeout)
        return False


class Busy(http.server.ThreadingHTTPServer):
    """Answers 429 with each of these `Retry-After` headers, then as MLflow does where there are no experiments."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _BusyHandler)
        self.retry_after: list[str | None] = []


class _BusyHandler(LoopbackHandler):
    def do_GET(self) -> None:
        """Answer."""
        assert isinstance(self.server, Busy)
        if self.server.retry_after:
            asked = self.server.retry_after.pop(0)
            self.answer(429, b"{}", {} if asked is None else {"Retry-After": asked})
        else:
            self.answer(200, b"{}")

    do_POST = do_GET


@pytest.fixture
def busy() -> Generator[Busy]:
    """A busy server on a free port."""
    with running(Busy()) as server:
        yield server


def test_pauses_double_up_to_five_seconds_half_of_each_random() -> None:
    """0.25 s, 0.5 s, 1 s, 2 s, 4 s, 5 s, 5 s: as docs/reliability.md promises; the next operation begins anew."""
    stop = RecordedWaits()
    tried = Retrier("http://m", stop, lambda: None)
    for _ in range(2):
        stop.seconds.clear()
        assert tried.run("spans", denied(503, 7, [])).outcome is Outcome.DONE
        longest = (0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0)
        assert len(stop.seconds) == len(longest)
        for wait, most in zip(stop.seconds, longest, strict=True):
            assert most / 2 <= wait <= most
        assert len(set(stop.seconds)) > 1
    assert tried.retries == 14


def test_a_retry_after_of_the_server_is_the_shortest_pause(busy: Busy) -> None:
    """In seconds and up to five minutes; without one, with a shorter one or with a date our own pause counts."""
    stop = RecordedWaits()
    store = Store(f"http://127.0.0.1:{busy.server_address[1]}")
    busy.retry_after = ["7", "900", None, "0", "Wed, 21 Oct 2037 07:28:00 GMT", "60"]
    assert Retrier("http://m", stop, lambda: None).run("spans", store.answer).outcome is Outcome.DONE
    first, second, third, fourth, fifth, sixth = stop.seconds
    assert (first, second, sixth) == (7.0, 300.0, 60.0)
    assert (0.5 <= third <= 1.0, 1.0 <= fourth <= 2.0, 2.0 <= fifth <= 4.0) == (True, True, True)


def raced(times: int, calls: list[int]) -> Callable[[], None]:
    """Finds another writer's row that often."""

    def attempt() -> None:
        calls.append(len(calls))
        if len(calls) <= times:
            raise MlflowException("(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.name")

    return attempt


def test_a_race_is_tried_again_and_is_no_outage(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Lost once, the second attempt succeeds without a warning; lost always, the operation is rejected."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    tried = Retrier("http://m", threading.Event(), lambda: None)
    calls: list[int] = []
    assert tried.run("LogDataset", raced(1, calls)).outcome is Outcome.DONE
    assert len(calls) == 2
    assert tried.failing_since is None
    assert caplog.text == ""
    calls.clear()
    assert tried.run("LogDataset", raced(100, calls)).outcome is Outcome.REJECTED
    assert len(calls) == MAX_RETRIES
    assert "rejected LogDataset" in caplog.text


def test_spans_that_a_database_has_failed_at_are_sent_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """MLflow's answer may mean a broken connection, or a span that it cannot store: the third in a row means that."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    tried = Retrier("http://m", threading.Event(), lambda: None)
    failed = RestException({"detail": "Failed to log OpenTelemetry spans"})
    answers: list[Exception | None] = [failed, failed, MlflowException("down", TEMPORARILY_UNAVAILABLE), failed, None]

    def attempt() -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer

    assert tried.run("spans", attempt).outcome is Outcome.DONE
    answers[:] = [failed, failed, None]
    caplog.clear()
    assert tried.run("spans", attempt).outcome is Outcome.DONE
    assert caplog.text == ""
    answers[:] = [failed] * 4
    assert tried.run("spans", attempt).outcome is Outcome.REJECTED
    assert len(answers) == 1
    assert "rejected spans" in caplog.text


def test_the_log_has_no_parameters_of_a_statement(caplog: pytest.LogCaptureFixture) -> None:
    """They are data that the program recorded."""

    def attempt() -> None:
        text = (
            "(sqlite3.ProgrammingError) bad\n[SQL: INSERT]\n[parameters: ('private',)] (https://sqlalche.me/e/20/f405)"
        )
        raise MlflowException(text, BAD_REQUEST)

    assert Retrier("http://m", RecordedWaits(), lambda: None).run("LogParams", attempt).outcome is Outcome.REJECTED
    assert caplog.messages == ["MLflow at http://m rejected LogParams: (sqlite3.ProgrammingError) bad"]


@pytest.mark.parametrize("first", [0, 1], ids=["the database first", "the server first"])
@pytest.mark.parametrize("others", [False, True], ids=["one destination", "several"])
def test_answers_of_both_kinds_in_turn_do_not_occupy_the_thread_forever(
    first: int, caplog: pytest.LogCaptureFixture, *, others: bool
) -> None:
    """Those of a failed database and of a failed server count together; the operation is not lost, as in an outage."""
    tried, calls = Retrier("http://m", RecordedWaits(), lambda: None, others=others), list[int]()
    answers = [RestException({"detail": "Failed to log OpenTelemetry spans"}), MlflowException("no", INTERNAL_ERROR)]

    def attempt() -> None:
        calls.append(len(calls))
        if len(calls) < 100:
            raise answers[(len(calls) - 1 + first) % 2]

    assert tried.run("spans", attempt).outcome is Outcome.FAILED
    assert len(calls) in {MAX_RETRIES, MAX_RETRIES + 1}
    assert "failed to store spans" in caplog.text


def test_answers_of_both_kinds_during_an_outage_give_nothing_up() -> None:
    """While the server accepts no other request either, or answers that it is unavailable, the operation is retried."""
    failed, error = (
        RestException({"detail": "Failed to log OpenTelemetry spans"}),
        MlflowException("no", INTERNAL_ERROR),
    )
    down, calls = MlflowException("down", TEMPORARILY_UNAVAILABLE), list[int]()

    def attempt_of(answers: list[Exception]) -> Callable[[], None]:
        def attempt() -> None:
            calls.append(len(calls))
            if answers:
                raise answers.pop(0)

        return attempt

    def answers() -> None:
        raise down

    tried = Retrier("http://m", RecordedWaits(), answers)
    assert tried.run("spans", attempt_of([failed, error] * 9)).outcome is Outcome.DONE
    tried = Retrier("http://m", RecordedWaits(), lambda: None)
    assert tried.run("spans", attempt_of([failed, error, failed, error, down] * 5)).outcome is Outcome.DONE
    assert len(calls) == 19 + 26


def denied(status: int, times: int, calls: list[int]) -> Callable[[], None]:
    """MLflow's server answers so, that often."""

    def attempt() -> None:
        calls.append(len(calls))
        if len(calls) <= times:
            answer = requests.Response()
            answer.status_code = status
            raise requests.HTTPError("Permission denied", response=answer)

    return attempt


def failing(calls: list[int]) -> Callable[[], None]:
    """The server fails at it, always."""

    def attempt() -> None:
        calls.append(len(calls))
        raise MlflowException("no", INTERNAL_ERROR)

    return attempt


def test_what_fails_at_one_destination_holds_up_the_others_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With several destinations the next failure is final at the first attempt, and the warning names no spool.

    A process with one destination retries each operation, and keeps it in the spool.
    """
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    for others, again, kept in ((True, 1, "the client is asked to retry"), (False, MAX_RETRIES, "in the spool")):
        tried = Retrier("http://m", threading.Event(), lambda: None, others=others)
        caplog.clear()
        for expected in (MAX_RETRIES, again):
            calls: list[int] = []
            assert tried.run("LogText", failing(calls)).outcome is Outcome.FAILED
            assert (len(calls), tried.failing_since) == (expected, None)
        assert kept in caplog.text
        assert ("spool" in caplog.text) is not others


@pytest.mark.parametrize("status", [401, 403])
def test_a_denied_destination_does_not_delay_others(
    status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With several destinations, denied operations fail at once and are not attempted until `retry_denied`."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    tried = Retrier("http://m", threading.Event(), lambda: None, others=True)
    calls: list[int] = []
    assert [tried.run("spans", denied(status, 100, calls)).outcome for _ in range(3)] == [Outcome.FAILED] * 3
    assert (len(calls), tried.failing_since) == (1, None)
    assert "denied access for spans; the client is asked to retry" in caplog.text
    tried.retry_denied()
    assert tried.run("spans", denied(status, 0, calls)).outcome is Outcome.DONE


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_has_run_out_is_waited_for(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one destination; and with several while MLflow denies every request."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "LONGEST_PAUSE", 0.001)
    for others, answers in ((False, lambda: None), (True, denied(status, 100, []))):
        tried, calls = Retrier("http://m", threading.Event(), answers, others=others), list[int]()
        assert tried.run("spans", denied(status, 2 * MAX_RETRIES, calls)).outcome is Outcome.DONE
        assert len(calls) == 2 * MAX_RETRIES + 1


@pytest.mark.parametrize(
    ("error", "calls_made"),
    [(ConnectionError("away"), 3), (PermissionError(errno.EACCES, "Permission denied"), 1)],
    ids=["unreachable", "unwritable"],
)
def test_an_artifact_store_that_fails_holds_up_no_other_destination(
    error: OSError, calls_made: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a thread has several: an unreachable one is tried three times, then once until there are new deliveries."""
    tried, calls = Retrier("http://m", RecordedWaits(), lambda: None, others=True), list[int]()

    def write() -> None:
        calls.append(len(calls))
        with artifact_access():
            raise error

    assert tried.run("LogText", write).outcome is Outcome.FAILED
    assert (len(calls), tried.artifacts_failed, tried.failing_since) == (calls_made, True, None)
    assert tried.run("LogTable", write).outcome is Outcome.FAILED
    assert len(calls) == calls_made + 1

    def skip() -> None:
        raise ArtifactStoreError("the artifact store has failed during this delivery")

    assert tried.run("LogProgram", skip).outcome is Outcome.FAILED
    assert "is available, but the artifact store for LogText is not; the client is asked to retry" in caplog.text
    assert tried.run("spans", lambda: None).outcome is Outcome.DONE
    tried.retry_denied()
    assert not tried.artifacts_failed


def test_a_server_that_is_away_with_its_artifacts_is_waited_for() -> None:
    """Artifacts proxied by the tracking server fail with it: none is given up."""
    calls: list[int] = []

    def write() -> None:
        calls.append(len(calls))
        if len(calls) < 9:
            with artifact_access():
                raise ConnectionError("away")

    def answers() -> None:
        if len(calls) < 9:
            raise ConnectionError("away")

    tried = Retrier("http://m", RecordedWaits(), answers, others=True)
    assert tried.run("LogText", write).outcome is Outcome.DONE
    assert (len(calls), tried.artifacts_failed) == (9, False)


class Silent(http.server.ThreadingHTTPServer):
    """Accepts requests, and answers them as MLflow does once it is released."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _SilentHandler)
        self.released = threading.Event()
        self.requests = 0


class _SilentHandler(LoopbackHandler):
    def do_GET(self) -> None:
        """Answer late."""
        assert isinstance(self.server, Silent)
        self.server.requests += 1
        assert self.server.released.wait(300)
        self.answer(200, b"{}")

    do_POST = do_GET


@contextmanager
def late_server() -> Generator[tuple[Silent, str]]:
    """Run a server that answers once it is released."""
    with running(Silent()) as server:
        try:
            yield server, f"http://user:secret@127.0.0.1:{server.server_port}"
        finally:
            server.released.set()


@pytest.mark.parametrize("together", [False, True], ids=["alone", "beside others"])
def test_an_mlflow_that_does_not_answer_is_warned_of_soon(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, together: bool
) -> None:
    """Long before its request is given up, which goes on and succeeds: the first one, and one after an answer."""
    monkeypatch.setattr(answer_monitor, "FIRST", 0.05)
    monkeypatch.setattr(answer_monitor, "LATER", 0.4)
    monkeypatch.setattr(answer_monitor, "LOOK", 0.01)
    monkeypatch.setattr(outage_log, "SILENCE", 0.0)
    with late_server() as (server, uri):
        store, tried = Store(uri), Retrier(uri, threading.Event(), lambda: None)

        def attempt() -> None:
            if together:
                sent = ConcurrentRequests(uri, None, lambda: False, awaited=tried.awaited).send([Request(store.answer)])
                assert sent == [True]
            else:
                assert tried.run("spans", store.answer).outcome is Outcome.DONE

        for number, limit in enumerate((0.05, 0.4), 1):
            server.released.clear()
            began = time.monotonic()
            thread = threading.Thread(target=attempt)
            thread.start()
            awaited(lambda number=number: len(caplog.messages) == number, "the warning")
            assert time.monotonic() - began >= limit
            awaited(lambda: tried.unanswered_since, "what the end of a process looks at")
            server.released.set()
            thread.join(30)
            assert tried.unanswered_since is None
    address = uri.replace(":secret", "")
    message = (
        f"MLflow at {address} has not answered for 0 s; still waiting for it. No data is lost: spans are kept in the "
        "spool until then. If it hangs, restart it."
    )
    assert caplog.messages == [message] * 2


def test_an_mlflow_that_is_slow_is_not_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once it has answered, a request may take twice as long; and a process that waits for it goes on waiting."""
    monkeypatch.setattr(answer_monitor, "LOOK", 0.01)
    with late_server() as (server, uri):
        store, tried = Store(uri), Retrier(uri, threading.Event(), lambda: None)
        server.released.set()
        tried.run("spans", store.answer)
        monkeypatch.setattr(answer_monitor, "FIRST", 0.05)  # not before: the first answer may take longer, too
        server.released.clear()
        thread = threading.Thread(target=tried.run, args=("spans", store.answer))
        thread.start()
        awaited(lambda: server.requests > 1, "the next request")
        threading.Event().wait(0.2)
        assert tried.unanswered_since is None
        server.released.set()
        thread.join(30)
    assert caplog.messages == []


def test_a_timeout_of_the_user_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of a process too: it is set where a server is known to take long."""
    monkeypatch.setattr(answer_monitor, "LATER", 0.0)
    monitor = answer_monitor.AnswerMonitor(lambda _: None)
    with monitor.awaited():
        monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
        assert monitor.unanswered_since is not None
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "300")
        assert monitor.unanswered_since is None
