"""Progress line of a drain."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

from otel_dspy.mlflow.delivery import drain_timeout
from otel_dspy.mlflow.delivery.drain_timeout import DrainTimeout

if TYPE_CHECKING:
    import pytest


@dataclass
class Draining(threading.Event):
    """A delivery of so many spans a second, from a certain time on, on a clock that advances while it is waited for."""

    spans: int
    rate: float
    silent: float = 0.0
    stops: float = float("inf")
    """Time from which nothing is delivered."""
    now: float = 0.0
    failing_since: float | None = None

    def __post_init__(self) -> None:
        """Create the event."""
        super().__init__()

    def monotonic(self) -> float:
        """Seconds."""
        return self.now

    @property
    def undelivered(self) -> int:
        """Spans that are left."""
        return round(max(0.0, self.spans - self.rate * max(0.0, min(self.now, self.stops) - self.silent)))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for all spans."""
        self.now += 0.125 if timeout else 0.0
        return not self.undelivered


class Growing(Draining):
    """One more span ends while it is waited for, and none is delivered."""

    @property
    def undelivered(self) -> int:
        """Spans that are left."""
        return self.spans + (self.now > 5.0)


def drained(delivery: Draining, timeout: float, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Drain it on its own clock."""
    monkeypatch.setattr(drain_timeout, "time", SimpleNamespace(monotonic=delivery.monotonic))
    return DrainTimeout(timeout).wait(delivery, delivery)


def test_progress_has_a_rate_and_an_estimate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 900 spans at 100 a second 500 are left after four seconds, which takes five more."""
    assert drained(Draining(900, 100), 60, monkeypatch)
    assert capsys.readouterr().err.splitlines() == [
        "otel-dspy: 800 spans not yet delivered to MLflow (1 s, 100 a second, about 8 s left)",
        "otel-dspy: 600 spans not yet delivered to MLflow (3 s, 100 a second, about 6 s left)",
        "otel-dspy: 200 spans not yet delivered to MLflow (7 s, 100 a second, about 2 s left)",
    ]


def test_a_span_that_ends_meanwhile_is_none_that_is_delivered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The time without a delivery is counted from the beginning."""
    assert not drained(Growing(900, 0), 8, monkeypatch)
    assert capsys.readouterr().err.splitlines()[-1] == (
        "otel-dspy: 901 spans not yet delivered to MLflow (7 s, none of them for 7 s)"
    )


def test_one_span(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its noun is in the singular."""
    assert not drained(Draining(1, 0), 2, monkeypatch)
    assert capsys.readouterr().err.splitlines()[0] == "otel-dspy: 1 span not yet delivered to MLflow (1 s)"


def test_no_estimate_before_anything_is_delivered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A first request that takes two seconds, and a deadline after five."""
    assert not drained(Draining(900, 100, silent=2.0), 5, monkeypatch)
    assert capsys.readouterr().err.splitlines() == [
        "otel-dspy: 900 spans not yet delivered to MLflow (1 s)",
        "otel-dspy: 800 spans not yet delivered to MLflow (3 s, 33 a second, about 24 s left)",
    ]


def test_no_estimate_from_the_first_few_spans(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Requests for runs take seconds and have few spans; those of traces follow, hundreds at once."""
    assert not drained(Draining(900, 10), 8, monkeypatch)
    assert capsys.readouterr().err.splitlines() == [
        "otel-dspy: 890 spans not yet delivered to MLflow (1 s)",
        "otel-dspy: 870 spans not yet delivered to MLflow (3 s)",
        "otel-dspy: 830 spans not yet delivered to MLflow (7 s, 10 a second, about 83 s left)",
    ]


def test_no_estimate_once_nothing_is_delivered_any_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rate over the whole time would have the rest take ever longer; so would one of a delivery that never began."""
    assert not drained(Draining(900, 100, stops=2.0), 16, monkeypatch)
    assert capsys.readouterr().err.splitlines() == [
        "otel-dspy: 800 spans not yet delivered to MLflow (1 s, 100 a second, about 8 s left)",
        "otel-dspy: 700 spans not yet delivered to MLflow (3 s, 67 a second, about 10 s left)",
        "otel-dspy: 700 spans not yet delivered to MLflow (7 s, none of them for 5 s)",
        "otel-dspy: 700 spans not yet delivered to MLflow (15 s, none of them for 13 s)",
    ]
    assert not drained(Draining(900, 0), 4, monkeypatch)
    assert capsys.readouterr().err.splitlines() == [
        "otel-dspy: 900 spans not yet delivered to MLflow (1 s)",
        "otel-dspy: 900 spans not yet delivered to MLflow (3 s, none of them for 3 s)",
    ]
