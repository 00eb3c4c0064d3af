"""Instruments that record through the deferred queue, because one SDK measurement takes longer than a whole hook.

Their exemplars are chosen without the global generator of `random` (see `exemplar_reservoirs`).

A measurement is recorded shortly after it is submitted, at the latest when a reader collects, so that no collection
misses an earlier measurement.
"""

from __future__ import annotations

import weakref
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import get_current

from otel_dspy.runtime.error_guard import report
from otel_dspy.telemetry.deferred.aggregation_cache import KnownAggregations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.metrics import Counter, Histogram, Meter, UpDownCounter
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.runtime.deferred_queue import DeferredQueue

_PART: Final = "a metric"


def record_when_collected(meter: Meter, queue: DeferredQueue) -> None:
    """Drain the queue whenever a reader of the meter collects.

    Registers an observable instrument without observations, which is therefore never exported.
    """
    # A meter keeps its callbacks forever; it must not keep the queue alive.
    this = weakref.ref(queue)

    def collected(_options: object) -> Iterable[Any]:
        waiting = this()
        if waiting is not None:
            waiting.drain()
        return ()

    meter.create_observable_gauge("otel_dspy.measurements", callbacks=[collected])


class _DeferredInstrument:
    """Instrument that submits its measurements to a queue.

    Args:
        queue: the queue.
        instrument: the instrument of the API.
        record: name of its method: `add`, `record` or `set`.
    """

    def __init__(self, queue: DeferredQueue, instrument: object, record: str) -> None:
        self._queue = queue
        self._instrument = instrument
        self._method = record
        self._proxy = hasattr(instrument, "_real_instrument")
        self._use(self._current())

    def _current(self) -> object:
        # The API's proxy instrument has no real one without a meter provider.
        return getattr(self._instrument, "_real_instrument", self._instrument)

    def _use(self, real: object) -> None:
        self._real = real
        self._record = None if real is None else KnownAggregations(real, getattr(real, self._method)).record

    def _submit(
        self, amount: float, attributes: Mapping[str, AttributeValue] | None = None, context: Context | None = None
    ) -> None:
        if self._proxy and (real := self._current()) is not self._real:
            self._use(real)
        if self._record is None:
            return  # skip the measurement
        # The context is used for exemplars. The attributes must not be changed afterwards.
        within = get_current() if context is None else context
        queue = self._queue
        if queue.doer is not None and queue.doer == get_ident():
            try:  # as `submit` does, without packing the arguments
                self._record(amount, attributes, within)
            except Exception as error:  # noqa: BLE001 - reported
                report(_PART, error)
            return
        queue.submit(_PART, self._record, amount, attributes, within)


class DeferredHistogram(_DeferredInstrument):
    """Histogram that records through the deferred queue."""

    def __init__(self, queue: DeferredQueue, histogram: Histogram) -> None:
        super().__init__(queue, histogram, "record")

    record = _DeferredInstrument._submit  # noqa: SLF001 - the base's own
    """Submit a `Histogram.record`."""


class DeferredCounter(_DeferredInstrument):
    """Counter that adds through the deferred queue."""

    def __init__(self, queue: DeferredQueue, counter: Counter) -> None:
        super().__init__(queue, counter, "add")

    add = _DeferredInstrument._submit  # noqa: SLF001 - the base's own
    """Submit a `Counter.add`."""


class DeferredUpDownCounter(_DeferredInstrument):
    """Up-down counter that adds through the deferred queue."""

    def __init__(self, queue: DeferredQueue, counter: UpDownCounter) -> None:
        super().__init__(queue, counter, "add")

    add = _DeferredInstrument._submit  # noqa: SLF001 - the base's own
    """Submit an `UpDownCounter.add`."""


class DeferredGauge(_DeferredInstrument):
    """Gauge that is set through the deferred queue."""

    def __init__(self, queue: DeferredQueue, gauge: object) -> None:
        super().__init__(queue, gauge, "set")

    set = _DeferredInstrument._submit  # noqa: SLF001 - the base's own
    """Submit a `Gauge.set`."""
