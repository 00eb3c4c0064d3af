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
        return round(max(0.0, self.spans - self.rate * max(0.0, self.now - self.silent)))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for all spans."""
        self.now += 0.125 if timeout else 0.0
        return not self.undelivered


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


def test_no_estimate_before_anything_is_delivered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A first request that takes two seconds, and a deadline after five."""
    assert not drained(Draining(900, 100, silent=2.0), 5, monkeypatch)
    assert capsys.readouterr().err.splitlines() == [
        "otel-dspy: 900 spans not yet delivered to MLflow (1 s)",
        "otel-dspy: 800 spans not yet delivered to MLflow (3 s, 33 a second, about 24 s left)",
    ]
