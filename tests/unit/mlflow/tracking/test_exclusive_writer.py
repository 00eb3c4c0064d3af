"""The health check that decides how long artifacts wait for the tracking server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
from otel_dspy.mlflow.tracking.writers import exclusive_writer
from otel_dspy.mlflow.tracking.writers.exclusive_writer import ExclusiveWriter

if TYPE_CHECKING:
    from collections.abc import Callable


class NoPauses(threading.Event):
    """A stop event that is never set and is not waited for."""

    def wait(self, timeout: float | None = None) -> bool:
        """Return at once."""
        del timeout
        return False


@pytest.mark.parametrize(("failures", "healthy"), [(0, True), (1, False), (3, False)])
def test_a_server_is_healthy_if_it_answers_at_the_first_attempt(
    *, failures: int, healthy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it does, the check ends; the next one starts anew."""
    left = [ConnectionError("refused")] * failures
    checks: list[Callable[[], bool]] = []

    def queue(_write: object, _stop: object, tracking_answers: Callable[[], bool], _failed: object) -> Any:
        checks.append(tracking_answers)

    def ping(_connection: Connection) -> None:
        if left:
            raise left.pop()

    monkeypatch.setattr(Connection, "ping", ping)
    monkeypatch.setattr(exclusive_writer, "ArtifactQueue", queue)
    ExclusiveWriter(Destination("http://mlflow.invalid", Experiment(name="E")), cast("Any", NoPauses()))
    (answers,) = checks
    assert [answers(), answers()] == [healthy, True]
    assert left == []
