"""Whose deliveries a failure of MLflow's concerns."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from otel_dspy import semconv as sc
from otel_dspy.bridge import request_writer
from otel_dspy.bridge.delivery import Delivery
from otel_dspy.bridge.foreign_spans import ProgramTraces
from otel_dspy.bridge.metrics import Metrics
from otel_dspy.bridge.request_writer import RequestWriter
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.records.span import SpanRecord
from otel_dspy.otlp_requests.protobuf_spans import ReceivedSpan
from otel_dspy.otlp_requests.span_route import routed
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import Generator

    from otel_dspy.bridge.foreign_spans import RoutedSpan
    from otel_dspy.mlflow.records.route import Route


class FailsAtOne:
    """Stands for a pipeline to an MLflow that fails at whatever goes to experiment `bad`."""

    applied, retries, failed, lost, failing_since = 0, 0, 0, 0, None

    def __init__(self, _stop: threading.Event) -> None:
        self.recorded: list[str] = []
        self.busy: list[bool] = []
        self.begin = threading.Event()
        self._failures: Counter[Destination] = Counter()

    def process(self, span: SpanRecord, route: Route) -> None:
        """Note it."""
        self.begin.wait(60)
        self.recorded.append(span.span_id)
        self._failures[route.destination] += route.destination.experiment.name == "bad"

    def failures(self) -> dict[Destination, int]:
        """By destination."""
        return dict(self._failures)

    def losses(self) -> dict[Destination, int]:
        """Nothing is rejected."""
        return {}

    def retry_denied(self) -> None:
        """Nothing was denied."""

    def send_all(self, *, busy: bool = False) -> None:
        """Note whether more deliveries waited."""
        self.busy.append(busy)

    def wait_for_reports(self, timeout: float) -> None:
        """There are none."""


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Generator[RequestWriter]:
    """One whose MLflow fails at an experiment."""
    monkeypatch.setattr(request_writer, "MultiWriterPipeline", FailsAtOne)
    writer = RequestWriter(1_000_000)
    yield writer
    writer.close(60)


def span(number: int, experiment: str) -> RoutedSpan:
    """A call's only span, and where it goes."""
    recorded = SpanRecord(
        trace_id=f"{number:032x}", span_id=f"{number:016x}", parent_id=None, name="n", kind="INTERNAL", start_ns=1,
        end_ns=2, attributes={sc.DSPY_OPERATION_NAME: "module"},
    )  # fmt: skip
    return routed(ReceivedSpan(recorded, local_root=True), Destination("http://m", Experiment(name=experiment)))


def test_a_failure_concerns_the_deliveries_to_its_experiment_alone(writer: RequestWriter) -> None:
    """Of three that are committed together those with a span for it are retried, and only that span is written again."""
    pipeline: Any = writer.pipeline
    good, bad, both = [span(1, "good")], [span(2, "bad")], [span(3, "good"), span(4, "bad")]
    for expected in ([f"{number:016x}" for number in (1, 2, 3, 4)], [f"{number:016x}" for number in (2, 4)]):
        pipeline.recorded.clear()
        pipeline.begin.clear()
        deliveries = [Delivery(spans, 1) for spans in (good, bad, both)]
        for delivery in deliveries:
            assert writer.submit(delivery)
        pipeline.begin.set()
        assert [delivery.done.result(60).again for delivery in deliveries] == [False, True, True]
        assert pipeline.recorded == expected


def test_reports_wait_until_no_delivery_comes(writer: RequestWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits for its answer before it sends more leaves the queue empty in between."""
    pipeline: Any = writer.pipeline
    monkeypatch.setattr(request_writer, "TICK", 0.2)
    pipeline.begin.set()
    for number in range(1, 4):
        delivery = Delivery([span(number, "good")], 1)
        assert writer.submit(delivery)
        assert not delivery.done.result(60).again
    assert pipeline.busy.count(True) == 3
    awaited(lambda: None if pipeline.busy[-1] else True, "a commit without deliveries")


def test_a_bridge_that_ends_starts_the_reports_that_wait(writer: RequestWriter) -> None:
    """They would be lost with it."""
    pipeline: Any = writer.pipeline
    pipeline.begin.set()
    delivery = Delivery([span(1, "good")], 1)
    assert writer.submit(delivery)
    writer.close(60)
    assert delivery.done.done()
    assert pipeline.busy[-1] is False


def test_dropped_spans_of_other_libraries_are_counted_in_the_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two spans in whose traces otel-dspy has none; its own span is not one of them."""
    monkeypatch.setattr(request_writer, "MultiWriterPipeline", FailsAtOne)
    monkeypatch.setattr(request_writer, "ProgramTraces", partial(ProgramTraces, max_waiting=0))
    writer = RequestWriter(1_000_000)
    try:
        foreign = [(replace(recorded, attributes={}), route) for recorded, route in (span(1, "good"), span(2, "good"))]
        delivery = Delivery([*foreign, span(3, "good")], 1)
        pipeline: Any = writer.pipeline
        pipeline.begin.set()
        assert writer.submit(delivery)
        delivery.done.result(60)
        assert b"\notel_dspy_bridge_ignored_spans_total 2.0\n" in Metrics(writer).text()
    finally:
        writer.close(60)
