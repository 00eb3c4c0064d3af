"""Measurements in known aggregations: every reader collects what the SDK's own method would have recorded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from opentelemetry.context import Context
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import DropAggregation, ExponentialBucketHistogramAggregation, View
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from otel_dspy.telemetry.deferred.aggregation_cache import AttributeSet, KnownAggregations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.metrics import Meter

_DELTA: Final[dict[type, AggregationTemporality]] = {
    Counter: AggregationTemporality.DELTA,
    Histogram: AggregationTemporality.DELTA,
}
_SAMPLED: Final = set_span_in_context(NonRecordingSpan(SpanContext(0xA, 0xB, False, TraceFlags(1))), Context())  # noqa: FBT003
_UNSAMPLED: Final = set_span_in_context(NonRecordingSpan(SpanContext(0xC, 0xD, False)), Context())  # noqa: FBT003
_SHARED: Final = AttributeSet({"model": "shared"})
_SHARED_LIST: Final = AttributeSet({"reasons": ["stop", "length"]})
_MEASUREMENTS: Final[list[tuple[float, Any, Context]]] = [
    (0.5, {"model": "one"}, _SAMPLED),
    (1.5, {"model": "one"}, _UNSAMPLED),
    (70, {"model": "two", "port": 1}, _SAMPLED),
    (71, {"port": 1, "model": "two"}, _SAMPLED),
    (72, {"model": "two", "port": True}, _SAMPLED),
    (73, {"model": "two", "port": 1.0}, _SAMPLED),
    (74, {"model": "two", "port": True}, _SAMPLED),
    (4, {}, _SAMPLED),
    (5, None, _SAMPLED),
    (6, {"reasons": ["stop", "length"]}, _SAMPLED),
    (7, {"": "no name", "model": "one"}, _SAMPLED),
    (-1, {"model": "one"}, _SAMPLED),
    (float("nan"), {"model": "one"}, _SAMPLED),
    *((8, {"model": name}, _SAMPLED) for name in "abcabcd"),
    *((9, _SHARED, _SAMPLED) for _ in range(3)),
    *((10, _SHARED | {"type": name}, _SAMPLED) for name in ("input", "output", "input", "output")),
    *((11, _SHARED | {"port": port}, _SAMPLED) for port in (1, True, 1.0, 1)),
    (12, {"model": "shared"}, _SAMPLED),
    *((13, AttributeSet({"model": "shared"}), _SAMPLED) for _ in range(2)),
    *((14, _SHARED_LIST, _SAMPLED) for _ in range(2)),
]  # fmt: skip
_TIMES: Final = {"time_unix_nano", "start_time_unix_nano"}


def _histogram(meter: Meter) -> Any:
    return meter.create_histogram("tokens", explicit_bucket_boundaries_advisory=[1, 10, 100])


def _collected(reader: InMemoryMetricReader) -> Any:
    data = reader.get_metrics_data()
    return None if data is None else json.loads(data.to_json(), object_hook=_without_times)


def _without_times(point: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in point.items() if name not in _TIMES}


def _record_and_collect(
    temporalities: list[dict[type, AggregationTemporality] | None],
    views: Sequence[View],
    method_of: Callable[[Any], Callable[..., object]],
) -> list[Any]:
    """Three rounds of the measurements, each collected by one more reader."""
    readers = [InMemoryMetricReader(one) for one in temporalities]
    record = method_of(_histogram(MeterProvider(readers, views=views, shutdown_on_exit=False).get_meter("test")))
    found: list[Any] = []
    for number in range(3):
        for amount, attributes, context in _MEASUREMENTS:
            record(amount, attributes, context)
        found += [_collected(reader) for reader in readers[: number + 1]]
    return found


@pytest.mark.parametrize(
    ("temporalities", "views"),
    [
        pytest.param([None], [], id="cumulative"),
        pytest.param([_DELTA], [], id="delta"),
        pytest.param([None, _DELTA], [], id="two readers"),
        pytest.param([None], [View(instrument_name="tokens", name="renamed", attribute_keys={"model"})], id="fewer attributes"),
        pytest.param([None], [View(instrument_name="*", aggregation=DropAggregation())], id="dropped"),
        pytest.param(
            [_DELTA],
            [View(instrument_name="*", aggregation=ExponentialBucketHistogramAggregation()), View(instrument_type=Histogram)],
            id="two views",
        ),
    ],
)  # fmt: skip
def test_readers_collect_what_the_sdk_records(
    temporalities: list[dict[type, AggregationTemporality] | None], views: list[View]
) -> None:
    """Points, sums, buckets and exemplars are the same, for any reader and view and any attributes."""
    theirs = _record_and_collect(temporalities, views, lambda histogram: histogram.record)
    ours = _record_and_collect(
        temporalities, views, lambda histogram: KnownAggregations(histogram, histogram.record).record
    )
    assert ours == theirs


def test_only_the_first_measurement_of_a_set_of_attributes_takes_the_long_way() -> None:
    """The others are recorded in the aggregation that it reached."""
    reader = InMemoryMetricReader()
    counter = MeterProvider([reader], shutdown_on_exit=False).get_meter("test").create_counter("calls")
    taken: list[float] = []

    def add(amount: float, *rest: Any) -> None:
        taken.append(amount)
        counter.add(amount, *rest)

    known = KnownAggregations(counter, add)
    for amount in (1, 2, 4):
        known.record(amount, {"model": "one"}, _UNSAMPLED)
    known.record(8, {"model": "two"}, _UNSAMPLED)
    assert taken == [1, 8]
    points = _collected(reader)["resource_metrics"][0]["scope_metrics"][0]["metrics"][0]["data"]["data_points"]
    assert {point["attributes"]["model"]: point["value"] for point in points} == {"one": 7, "two": 8}


def test_a_reader_that_is_added_later_gets_what_follows() -> None:
    """What was known of the readers before is looked up again."""
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    counter = provider.get_meter("test").create_counter("calls")
    known, later = KnownAggregations(counter, counter.add), InMemoryMetricReader()
    known.record(1, {"model": "one"}, _UNSAMPLED)
    provider.add_metric_reader(later)
    known.record(2, {"model": "one"}, _UNSAMPLED)
    known.record(4, {"model": "one"}, _UNSAMPLED)
    (metric,) = _collected(later)["resource_metrics"][0]["scope_metrics"][0]["metrics"]
    assert [point["value"] for point in metric["data"]["data_points"]] == [6]


def test_more_sets_of_attributes_than_are_kept() -> None:
    """Memory does not grow with the sets, and none of the measurements is lost."""
    reader = InMemoryMetricReader()
    counter = MeterProvider([reader], shutdown_on_exit=False).get_meter("test").create_counter("calls")
    known = KnownAggregations(counter, counter.add)
    for number in (*range(300), *range(300)):
        known.record(1, {"model": str(number)}, _UNSAMPLED)
    (metric,) = _collected(reader)["resource_metrics"][0]["scope_metrics"][0]["metrics"]
    assert [point["value"] for point in metric["data"]["data_points"]] == [2] * 300
    assert len(known.kept) <= 256


def test_an_instrument_of_another_implementation() -> None:
    """It records by its own method."""
    counter = NoOpMeterProvider().get_meter("test").create_counter("calls")
    taken: list[Any] = []
    known = KnownAggregations(counter, lambda *measurement: taken.append(measurement))
    known.record(1, {"model": "one"}, _UNSAMPLED)
    known.record(2, {"model": "one"}, _UNSAMPLED)
    assert taken == [(1, {"model": "one"}, _UNSAMPLED), (2, {"model": "one"}, _UNSAMPLED)]


@pytest.mark.parametrize("name", ["_sdk_config", "_reader_storages"])
def test_an_sdk_with_other_private_names(name: str) -> None:
    """It records by its own method, each measurement once."""
    reader = InMemoryMetricReader()
    counter: Any = MeterProvider([reader], shutdown_on_exit=False).get_meter("test").create_counter("calls")

    class Renamed:
        """The instrument's consumer without one of its names."""

        def __getattr__(self, wanted: str) -> Any:
            if wanted == name:
                raise AttributeError(wanted)
            return getattr(consumer, wanted)

    consumer, counter._measurement_consumer = counter._measurement_consumer, Renamed()
    known = KnownAggregations(counter, counter.add)
    for amount in (1, 2, 4):
        known.record(amount, {"model": "one"}, _UNSAMPLED)
    (metric,) = _collected(reader)["resource_metrics"][0]["scope_metrics"][0]["metrics"]
    assert [point["value"] for point in metric["data"]["data_points"]] == [7]
