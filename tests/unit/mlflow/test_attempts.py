"""How often something is tried, and what that says of MLflow."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR

from otel_dspy.mlflow.delivery import attempts
from otel_dspy.mlflow.delivery.attempts import MAX_RETRIES, Attempts, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable


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
    """Lost once it is done at the second try, without a word; lost always it is refused at last, not tried for ever."""
    monkeypatch.setattr(attempts, "FIRST_PAUSE", 0.001)
    tried = Attempts("http://m", threading.Event(), lambda: None)
    calls: list[int] = []
    assert tried.run("LogDataset", raced(1, calls)) is Outcome.DONE
    assert len(calls) == 2
    assert tried.failing_since is None
    assert caplog.text == ""
    calls.clear()
    assert tried.run("LogDataset", raced(100, calls)) is Outcome.REFUSED
    assert len(calls) == MAX_RETRIES
    assert "did not take LogDataset" in caplog.text


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
    """Where a thread has several, the next failure there is told at the first try; nothing is said to be kept.

    A program of its own goes on trying each operation as before, and keeps it in the spool.
    """
    monkeypatch.setattr(attempts, "FIRST_PAUSE", 0.001)
    for others, again, kept in ((True, 1, "is asked to send it again"), (False, MAX_RETRIES, "in the spool")):
        tried = Attempts("http://m", threading.Event(), lambda: None, others=others)
        caplog.clear()
        for expected in (MAX_RETRIES, again):
            calls: list[int] = []
            assert tried.run("LogText", failing(calls)) is Outcome.FAILED
            assert (len(calls), tried.failing_since) == (expected, None)
        assert kept in caplog.text
        assert ("spool" in caplog.text) is not others


@pytest.mark.parametrize("status", [401, 403])
def test_what_one_destination_denies_holds_up_nobody(
    status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a thread has several and MLflow answers otherwise, it is told at once, and no more is asked until told to."""
    monkeypatch.setattr(attempts, "FIRST_PAUSE", 0.001)
    tried = Attempts("http://m", threading.Event(), lambda: None, others=True)
    calls: list[int] = []
    assert [tried.run("spans", denied(status, 100, calls)) for _ in range(3)] == [Outcome.FAILED] * 3
    assert (len(calls), tried.failing_since) == (1, None)
    assert "denies spans; whoever sent it is asked to send it again" in caplog.text
    tried.ask_again()
    assert tried.run("spans", denied(status, 0, calls)) is Outcome.DONE


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_has_run_out_is_waited_for(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a program of its own; and by a thread with several destinations while MLflow denies whatever is asked."""
    monkeypatch.setattr(attempts, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(attempts, "LONGEST_PAUSE", 0.001)
    for others, answers in ((False, lambda: None), (True, denied(status, 100, []))):
        tried, calls = Attempts("http://m", threading.Event(), answers, others=others), list[int]()
        assert tried.run("spans", denied(status, 2 * MAX_RETRIES, calls)) is Outcome.DONE
        assert len(calls) == 2 * MAX_RETRIES + 1
