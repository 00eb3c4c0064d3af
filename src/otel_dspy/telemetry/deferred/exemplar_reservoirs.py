"""Exemplar reservoirs with a private random source, so that metrics do not change the numbers of a seeded program.

Of counters, gauges and exponential histograms the SDK chooses the exemplars with the global generator of the `random`
module (see `random_source`).
"""

from __future__ import annotations

from copy import copy
from threading import Lock
from typing import TYPE_CHECKING, Any

from otel_dspy.telemetry.random_source import chance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def use_own_reservoirs(storages: Iterable[Any], instrument: object) -> None:
    """Give one instrument reservoirs that draw from `chance`; those of other instruments are left unchanged.

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
    """The factory of a view, with own reservoirs in the place of those that draw from `random`."""

    def __init__(self, theirs: Callable[[type[Any]], Any]) -> None:
        self._theirs = theirs

    def __call__(self, aggregation: type[Any]) -> Any:  # noqa: ANN401 - the SDK's types are private
        from opentelemetry.sdk.metrics import SimpleFixedSizeExemplarReservoir  # noqa: PLC0415 - the SDK is optional

        build = self._theirs(aggregation)
        return _OwnReservoir if build is SimpleFixedSizeExemplarReservoir else build


class _OwnReservoir:
    """The SDK's `SimpleFixedSizeExemplarReservoir` with another random source: each offer has the same chance.

    Args:
        size: number of exemplars.
    """

    def __init__(self, size: int = 1, **_: object) -> None:
        from opentelemetry.sdk.metrics import AlignedHistogramBucketExemplarReservoir  # noqa: PLC0415 - optional

        # Without boundaries it has one bucket, which keeps the last offer.
        self._places = [AlignedHistogramBucketExemplarReservoir([]) for _ in range(size)]
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
