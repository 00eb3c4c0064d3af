"""When a bridge starts the reports on optimizations: they compute in Python, and so does its writer."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from otel_dspy.bridge.multi_writer import multi_writer_pipeline
from otel_dspy.bridge.multi_writer.multi_writer_pipeline import REPORTS_WAIT, MultiWriterPipeline

if TYPE_CHECKING:
    from collections.abc import Callable


class CountedReports:
    """Counts how often reports were started."""

    def __init__(self) -> None:
        self.started = 0

    def start(self) -> None:
        """Count it."""
        self.started += 1


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> CountedReports:
    """Those of the pipelines of this test."""
    counted = CountedReports()
    monkeypatch.setattr(multi_writer_pipeline, "RunReports", lambda: counted)
    return counted


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass."""
    now = [1000.0]
    monkeypatch.setattr(multi_writer_pipeline.time, "monotonic", lambda: now[0])

    def passed(seconds: float) -> None:
        now[0] += seconds

    return passed


def test_reports_wait_while_requests_do(reports: CountedReports, wait: Callable[[float], None]) -> None:
    """They begin with the commit after which none waits."""
    pipeline = MultiWriterPipeline(threading.Event())
    wait(REPORTS_WAIT / 2)
    pipeline.send_all(busy=True)
    assert reports.started == 0
    pipeline.send_all()
    assert reports.started == 1


def test_a_bridge_that_is_always_busy_writes_reports_too(
    reports: CountedReports, wait: Callable[[float], None]
) -> None:
    """Once in a while."""
    pipeline = MultiWriterPipeline(threading.Event())
    for _ in range(6):
        wait(REPORTS_WAIT / 2)
        pipeline.send_all(busy=True)
    assert reports.started == 3
