"""Exemplar reservoirs of this package's instruments, in place of two of the SDK's, with the same exemplars.

Of counters, gauges and exponential histograms the SDK chooses the exemplars with the global generator of the `random`
module (see `random_source`), which would change the numbers of a seeded program. Of histograms with buckets it writes
each measurement into an exemplar, which the next one of the bucket replaces: most are never collected.
"""

from __future__ import annotations

from bisect import bisect_left
from copy import copy
from threading import Lock
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, set_span_in_context

from otel_dspy.telemetry.call_context import SPAN
from otel_dspy.telemetry.random_source import chance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from opentelemetry.trace import SpanContext


def use_own_reservoirs(storages: Iterable[Any], instrument: object) -> None:
    """Give one instrument the reservoirs of this module; those of other instruments are left unchanged.

    Args:
        storages: the SDK's storages of a meter provider, one for each reader.
        instrument: an instrument of the SDK.

    Raises:
        AttributeError: the SDK has other private names.
    """
    for storage in storages:
        for match in storage._get_or_init_view_instrument_match(instrument):  # noqa: SLF001 - the SDK has no public way
            theirs = match._view._exemplar_reservoir_factory  # noqa: SLF001 - the same
            if not isinstance(theirs, _OwnFactory):
                # The match is the instrument's own, its view is not.
                view = copy(match._view)  # noqa: SLF001 - the same
                view._exemplar_reservoir_factory = _OwnFactory(theirs)  # noqa: SLF001 - the same
                match._view = view  # noqa: SLF001 - the same


class _OwnFactory:
    """The factory of a view, with the reservoirs of this module in place of the SDK's."""

    def __init__(self, theirs: Callable[[type[Any]], Any]) -> None:
        self._theirs = theirs

    def __call__(self, aggregation: type[Any]) -> Any:  # noqa: ANN401 - the SDK's types are private
        from opentelemetry.sdk import metrics as sdk  # noqa: PLC0415 - the SDK is optional

        build = self._theirs(aggregation)
        if build is sdk.SimpleFixedSizeExemplarReservoir:
            return _OwnReservoir
        return _LastOfBuckets if build is sdk.AlignedHistogramBucketExemplarReservoir else build


class _OwnReservoir:
    """The SDK's `SimpleFixedSizeExemplarReservoir` with another random source: each offer has the same chance.

    Args:
        size: number of exemplars.
    """

    def __init__(self, size: int = 1, **_: object) -> None:
        self._places = [_last_offer() for _ in range(size)]
        self._offered = 0
        self._lock = Lock()

    def offer(self, *measurement: Any) -> None:  # noqa: ANN401 - value, time, attributes, context
        """Offer a measurement as an exemplar."""
        with self._lock:
            place, size = self._offered, len(self._places)
            self._offered += 1
            if place >= size:
                place = chance.randrange(self._offered)
            if place < size:
                self._places[place].offer(*measurement)

    def collect(self, point_attributes: Any) -> list[Any]:  # noqa: ANN401 - the SDK's types are private
        """Return the exemplars since the last collection."""
        with self._lock:
            self._offered = 0
            return [exemplar for place in self._places for exemplar in place.collect(point_attributes)]


class _LastOfBuckets:
    """The SDK's `AlignedHistogramBucketExemplarReservoir`, whose exemplars are built when they are collected.

    Args:
        boundaries: upper bounds of the histogram's buckets, in ascending order.
    """

    def __init__(self, boundaries: Sequence[float], **_: object) -> None:
        self._boundaries = boundaries
        self._last: dict[int, tuple[float, int, object, SpanContext | None]] = {}
        """Value, time, attributes and span of the last offer by the number of its bucket. No context, which references
        the call.
        """
        self._lock = Lock()

    def offer(self, value: float, at: int, attributes: object, context: Context) -> None:
        """Offer a measurement as the exemplar of its bucket.

        Args:
            value: the measured value.
            at: time of the measurement in nanoseconds since the epoch.
            attributes: attributes of the measurement.
            context: its context.
        """
        span: Any = context.get(SPAN)
        last = value, at, attributes, None if span is None else span.get_span_context()
        with self._lock:
            self._last[bisect_left(self._boundaries, value)] = last

    def collect(self, point_attributes: Any) -> list[Any]:  # noqa: ANN401 - the SDK's types are private
        """Return the exemplars since the last collection, in the order of their buckets."""
        with self._lock:
            offers, self._last = self._last, {}
        exemplars: list[Any] = []
        for bucket in sorted(offers):
            value, at, attributes, span_context = offers[bucket]
            span = INVALID_SPAN if span_context is None else NonRecordingSpan(span_context)
            place = _last_offer()
            place.offer(value, at, attributes, set_span_in_context(span, Context()))
            exemplars += place.collect(point_attributes)
        return exemplars


def _last_offer() -> Any:  # noqa: ANN401 - the SDK is optional
    """Return a reservoir of the SDK that keeps the last offer: without boundaries it has one bucket."""
    from opentelemetry.sdk.metrics import AlignedHistogramBucketExemplarReservoir  # noqa: PLC0415 - the SDK is optional

    return AlignedHistogramBucketExemplarReservoir([])
