"""Measurements are recorded after the call: the SDK takes longer for one than a hook takes for all the rest.

A caller submits a measurement to the deferred queue. It is recorded soon, at the latest when a reader collects: then
nothing that was measured before is missing from what the reader gets.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from opentelemetry.context import get_current

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.metrics import Counter, Histogram, Meter
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.runtime.deferred_queue import DeferredQueue


def record_when_collected(meter: Meter, later: DeferredQueue) -> None:
    """Let the collections of the meter's readers record what waits.

    The meter gets an observable instrument for that, which never observes anything and so is never exported.
    """
    # A meter keeps its callbacks for good: it must not keep the queue too.
    this = weakref.ref(later)

    def collected(_options: object) -> Iterable[Any]:
        waiting = this()
        if waiting is not None:
            waiting.catch_up()
        return ()

    meter.create_observable_gauge("otel_dspy.measurements", callbacks=[collected])


class _Late:
    """An instrument whose measurements wait.

    Args:
        later: where.
        instrument: the one.
        say: its `add` or `record`.
    """

    def __init__(self, later: DeferredQueue, instrument: Counter | Histogram, say: Callable[..., None]) -> None:
        self._put = later.put
        self._instrument = instrument
        self._say = say

    def _take(
        self, amount: float, attributes: Mapping[str, AttributeValue] | None = None, context: Context | None = None
    ) -> None:
        # The API's own instrument has none inside of it while there is no meter provider: nothing waits for nobody.
        if getattr(self._instrument, "_real_instrument", self._instrument) is None:
            return
        # The context is for exemplars. The attributes must not be changed afterwards.
        self._put("a metric", self._say, amount, attributes, get_current() if context is None else context)


class DeferredHistogram(_Late):
    """A histogram whose measurements wait."""

    def __init__(self, later: DeferredQueue, histogram: Histogram) -> None:
        super().__init__(later, histogram, histogram.record)

    record = _Late._take  # noqa: SLF001 - the base's own
    """`Histogram.record`, soon."""


class DeferredCounter(_Late):
    """A counter whose measurements wait."""

    def __init__(self, later: DeferredQueue, counter: Counter) -> None:
        super().__init__(later, counter, counter.add)

    add = _Late._take  # noqa: SLF001 - the base's own
    """`Counter.add`, soon."""
