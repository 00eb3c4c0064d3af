"""Failures of one artifact store: what is logged, how often, and the pauses after it has recovered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.tracking.artifact_queue.store_state import QueuedStore
from otel_dspy.mlflow.tracking.requests.error_classification import ErrorClass
from otel_dspy.mlflow.tracking.requests.outage_log import SILENCE
from otel_dspy.mlflow.tracking.requests.retry import FIRST_PAUSE

if TYPE_CHECKING:
    import pytest

PASSWORD = "planted-password-0123456789"


def test_the_log_of_an_outage_has_no_password(caplog: pytest.LogCaptureFixture) -> None:
    """An error of a store may contain the address with the password."""
    store = QueuedStore("https://store.example")
    store.report_outage(ErrorClass.DENIED, OSError(f"https://user:{PASSWORD}@store.example refuses"), 0.0)
    (message,) = caplog.messages
    assert "store.example refuses" in message
    assert PASSWORD not in message


def test_an_outage_soon_after_another_is_not_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    """A store that fails and recovers in turns is logged once in a minute."""
    store = QueuedStore("s3://bucket")
    for seconds in (0.0, SILENCE - 1, SILENCE):
        store.report_outage(ErrorClass.DENIED, OSError("refused"), seconds)
        store.reset()
    assert len(caplog.messages) == 2


def test_pauses_begin_anew_after_a_recovery() -> None:
    """The first pause of the next outage is as short as that of the first."""
    store = QueuedStore("s3://bucket")
    for _ in range(5):
        store.backoff.next()
    store.reset()
    assert store.backoff.next() <= FIRST_PAUSE
