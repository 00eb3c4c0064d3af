"""Flushes wait for the spans that were queued before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_dspy.mlflow.delivery.pending_flushes import PendingFlushes
from otel_dspy.mlflow.delivery.spooled_queues import SpooledQueues

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def flushes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PendingFlushes:
    """Those of queues without spans: all are reached."""
    monkeypatch.setenv("OTEL_DSPY_SPOOL_DIR", str(tmp_path / "spool"))
    return PendingFlushes(SpooledQueues(10, 1_000))


def test_a_finished_flush_is_pending_no_longer(flushes: PendingFlushes) -> None:
    """It alone is done and removed."""
    first, second = flushes.add(end_runs=True), flushes.add(end_runs=False)
    assert (bool(flushes), flushes.runs_to_end, flushes.hurry.is_set()) == (True, True, True)
    one, other = flushes.reached()
    flushes.finish(one)
    assert (first.is_set(), second.is_set(), flushes.runs_to_end) == (True, False, False)
    assert flushes.reached() == [other]
    flushes.finish(other)
    assert (second.is_set(), bool(flushes), flushes.reached(), flushes.run_ends_due()) == (True, False, [], [])


def test_flushes_that_are_given_up_do_not_block(flushes: PendingFlushes) -> None:
    """Those who wait for them go on."""
    events = [flushes.add(end_runs=False) for _ in range(2)]
    flushes.give_up()
    assert [event.is_set() for event in events] == [True, True]
