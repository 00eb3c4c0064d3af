"""Exemplars are chosen without the random numbers of the program, whatever the filter, the view and the reader."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import pytest
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.metrics import (
    AlwaysOnExemplarFilter,
    Counter,
    Histogram,
    MeterProvider,
    TraceBasedExemplarFilter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from otel_dspy.runtime.deferred_queue import DeferredQueue
from otel_dspy.telemetry.deferred import aggregation_cache
from otel_dspy.telemetry.deferred.measurements import DeferredHistogram
from otel_dspy.telemetry.instruments import Instruments

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEASUREMENTS: Final = 200
_DELTA: Final[dict[type, AggregationTemporality]] = dict.fromkeys(
    (Counter, Histogram, UpDownCounter), AggregationTemporality.DELTA
)
_EXPONENTIAL: Final = View(
    instrument_name="*", instrument_type=Histogram, aggregation=ExponentialBucketHistogramAggregation()
)
_FILTERS: Final = {"trace-based": TraceBasedExemplarFilter, "always on": AlwaysOnExemplarFilter}


@pytest.fixture(autouse=True)
def _in_a_sampled_span() -> Iterator[None]:
    """As in a call that is traced."""
    span = NonRecordingSpan(SpanContext(0xA, 0xB, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)))
    token = attach(set_span_in_context(span, Context()))
    yield
    detach(token)


def _measure(instruments: Instruments, attributes: dict[str, str] | None) -> None:
    """Measure with each instrument as often as an optimization does."""
    for number in range(_MEASUREMENTS):
        for instrument in vars(instruments).values():
            for method in ("record", "add", "set"):
                if measure := getattr(instrument, method, None):
                    measure(number + 0.5, attributes)


def _exemplars(reader: InMemoryMetricReader) -> dict[str, set[int]]:
    """How many exemplars the points of each metric have."""
    data: Any = reader.get_metrics_data()
    return {
        metric.name: {len(point.exemplars) for point in metric.data.data_points}
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
    }


@pytest.mark.parametrize("exemplar_filter", _FILTERS)
@pytest.mark.parametrize("views", [[], [_EXPONENTIAL]], ids=["buckets", "exponential"])
@pytest.mark.parametrize("temporality", [None, _DELTA], ids=["cumulative", "delta"])
@pytest.mark.parametrize("attributes", [None, {"dspy.optimizer.name": "Any"}], ids=["none", "some"])
def test_no_metric_draws_the_programs_random_numbers(
    exemplar_filter: str, views: list[View], temporality: Any, attributes: dict[str, str] | None
) -> None:
    """The SDK's own reservoirs would, beyond the first measurements between two collections."""
    readers, later = [InMemoryMetricReader(temporality) for _ in range(2)], InMemoryMetricReader(temporality)
    provider = MeterProvider(readers, exemplar_filter=_FILTERS[exemplar_filter](), views=views, shutdown_on_exit=False)
    instruments = Instruments(provider, DeferredQueue())
    before = random.getstate()
    _measure(instruments, attributes)
    found = [_exemplars(reader) for reader in readers]
    provider.add_metric_reader(later)
    _measure(instruments, attributes)
    found += [_exemplars(reader) for reader in (*readers, later)]
    assert random.getstate() == before
    assert all(one == found[0] for one in found)
    assert found[0]["dspy.usage.cost"] == {1}
    assert found[0]["dspy.trial.score"] == {1}
    assert found[0]["dspy.module.duration"] == ({20} if views else {8})


def test_each_measurement_can_become_an_exemplar() -> None:
    """Not the first or the last ones alone."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], views=[_EXPONENTIAL], shutdown_on_exit=False)
    queue = DeferredQueue()
    duration = DeferredHistogram(queue, provider.get_meter("test").create_histogram("duration"))
    seen: set[float] = set()
    for _ in range(200):
        for number in range(100):
            duration.record(number + 1.0, {"model": "any"})
        queue.drain()
        data: Any = reader.get_metrics_data()
        (point,) = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
        assert len({exemplar.value for exemplar in point.exemplars}) == 20
        assert {exemplar.span_id for exemplar in point.exemplars} == {0xB}
        seen.update(exemplar.value for exemplar in point.exemplars)
    assert len(seen) == 100


def test_other_instruments_of_the_provider_keep_their_reservoirs() -> None:
    """What another library or the program itself measures is chosen as before."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], views=[_EXPONENTIAL], shutdown_on_exit=False)
    _measure(Instruments(provider, DeferredQueue()), None)
    theirs = provider.get_meter("theirs").create_histogram("duration")
    before = random.getstate()
    for number in range(_MEASUREMENTS):
        theirs.record(number + 0.5)
    assert random.getstate() != before
    random.setstate(before)


def test_a_reservoir_that_the_user_has_chosen_stays() -> None:
    """A view may name one."""
    reader, asked = InMemoryMetricReader(), []

    class Theirs:
        def __init__(self, **_: Any) -> None:
            asked.append("created")

        def offer(self, *_: Any) -> None:
            asked.append("offered")

        def collect(self, _attributes: Any) -> list[Any]:
            return []

    def chosen(_aggregation: object) -> Any:
        return Theirs

    view = View(instrument_name="*", exemplar_reservoir_factory=chosen)
    provider = MeterProvider([reader], views=[view], shutdown_on_exit=False)
    instruments = Instruments(provider, DeferredQueue())
    instruments.module_duration.record(1.0, {"dspy.module.type": "Predict"})
    assert reader.get_metrics_data() is not None
    assert asked.count("offered") == 1


def test_an_sdk_without_the_factory_of_reservoirs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each measurement is recorded, with the SDK's own exemplars."""

    def missing(*_: object) -> None:
        raise AttributeError("_exemplar_reservoir_factory")

    monkeypatch.setattr(aggregation_cache, "use_own_reservoirs", missing)
    reader = InMemoryMetricReader()
    instruments = Instruments(MeterProvider([reader], shutdown_on_exit=False), DeferredQueue())
    _measure(instruments, {"dspy.optimizer.name": "Any"})
    data: Any = reader.get_metrics_data()
    (scope,) = data.resource_metrics[0].scope_metrics
    (point,) = next(metric.data.data_points for metric in scope.metrics if metric.name == "dspy.module.duration")
    assert point.count == _MEASUREMENTS
