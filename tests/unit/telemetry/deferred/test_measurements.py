"""Measurements that wait: recorded all the same, in time for every reader."""

from __future__ import annotations

import os
from typing import Any

import pytest
from opentelemetry.metrics._internal import _ProxyMeterProvider  # the global one, before there is another
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader

from otel_dspy.runtime.deferred_queue import DeferredQueue
from otel_dspy.telemetry.instruments import UNSPANNED, Instruments
from tests.support.waiting import awaited


def totals(reader: InMemoryMetricReader) -> dict[str, float]:
    """Sums of a reader's metrics by name."""
    data: Any = reader.get_metrics_data()
    metrics: list[Any] = data.resource_metrics[0].scope_metrics[0].metrics
    return {
        metric.name: sum(getattr(point, "value", None) or getattr(point, "sum", 0) for point in metric.data.data_points)
        for metric in metrics
    }


def instruments(queue: DeferredQueue, *readers: InMemoryMetricReader) -> Instruments:
    """Instruments that these read."""
    return Instruments(MeterProvider(list(readers), shutdown_on_exit=False), queue)


def test_each_reader_gets_what_was_measured_before_it_read_and_no_metric_more() -> None:
    """Nothing is missing from a collection, however soon it comes, and the queue itself is no metric."""
    one, other, queue = InMemoryMetricReader(), InMemoryMetricReader(), DeferredQueue()
    recorded = instruments(queue, one, other)
    recorded.cost.add(0.25, context=UNSPANNED)
    recorded.module_duration.record(2.0, {"dspy.module.type": "Predict"})
    assert totals(one) == {"dspy.usage.cost": 0.25, "dspy.module.duration": 2.0}
    recorded.cost.add(0.25, context=UNSPANNED)
    assert totals(other) == {"dspy.usage.cost": 0.5, "dspy.module.duration": 2.0}


def test_they_are_recorded_without_anybody_reading() -> None:
    """Between two collections the queue is emptied: memory doesn't grow with the calls."""
    queue = DeferredQueue()
    recorded = instruments(queue, InMemoryMetricReader())
    for value in (1.0, 2.0):
        recorded.module_duration.record(value)
    awaited(lambda: len(queue) == 0, "both of them")


def test_measurements_without_a_provider_are_not_queued() -> None:
    """Until a program sets a meter provider, which it may do after DSPy is instrumented."""
    nothing_reads, queue, reader = _ProxyMeterProvider(), DeferredQueue(), InMemoryMetricReader()
    recorded = Instruments(nothing_reads, queue)
    recorded.cost.add(1.0, context=UNSPANNED)
    recorded.module_duration.record(1.0)
    assert len(queue) == 0
    nothing_reads.on_set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
    recorded.cost.add(2.0, context=UNSPANNED)
    recorded.module_duration.record(2.0)
    assert totals(reader) == {"dspy.usage.cost": 2.0, "dspy.module.duration": 2.0}


def test_a_metric_that_fails_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What one recording raises goes no further and takes nothing with it."""
    reader, queue = InMemoryMetricReader(), DeferredQueue()
    recorded = instruments(queue, reader)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(recorded.cache_hits, "_record", broken)
    recorded.cache_hits.add(1.0, context=UNSPANNED)
    recorded.cost.add(1.0, context=UNSPANNED)
    assert totals(reader) == {"dspy.usage.cost": 1.0}
    assert "a metric failed and was skipped" in caplog.text


@pytest.mark.usefixtures("patient")
def test_a_forked_child_records_its_own_alone() -> None:
    """What the parent measured before a fork is counted by the parent, once."""
    reader, queue = InMemoryMetricReader(), DeferredQueue()
    recorded = instruments(queue, reader)
    recorded.cost.add(1.0, context=UNSPANNED)
    child = os.fork()
    if child == 0:
        recorded.cost.add(4.0, context=UNSPANNED)
        os._exit(0 if totals(reader) == {"dspy.usage.cost": 4.0} else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert totals(reader) == {"dspy.usage.cost": 1.0}


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(("temporality", "inherited"), [("CUMULATIVE", 1.0), ("DELTA", 0.0)])
def test_a_forked_child_goes_on_from_what_the_sdk_has_counted(temporality: str, inherited: float) -> None:
    """Of sums that were exported before the fork, those with delta temporality have what the child measured alone."""
    reader = InMemoryMetricReader(preferred_temporality={Counter: AggregationTemporality[temporality]})
    recorded = instruments(DeferredQueue(), reader)
    recorded.cost.add(1.0, context=UNSPANNED)
    assert totals(reader) == {"dspy.usage.cost": 1.0}
    child = os.fork()
    if child == 0:
        recorded.cost.add(4.0, context=UNSPANNED)
        os._exit(0 if totals(reader) == {"dspy.usage.cost": inherited + 4.0} else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
