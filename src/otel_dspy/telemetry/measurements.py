"""Measurements wait a moment before they are recorded: the SDK takes longer for one than a hook takes for all the rest.

A caller leaves a measurement in a queue. It is recorded by a thread of ours within `_DELAY` seconds, and at the latest
when a reader collects: then nothing that was measured before is missing from what the reader gets. So a program that
waits for a language model pays for its metrics while it waits.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import get_current

from otel_dspy.telemetry.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.metrics import Counter, Histogram, Meter
    from opentelemetry.util.types import AttributeValue

_DELAY: Final = 0.25
"""Seconds that a measurement waits at most before the thread takes it, unless it is collected sooner."""
_MOST: Final = 65_536
"""Measurements that wait at most. Past that the caller records its own, and so waits itself."""


class Measurements:
    """A queue of measurements that are yet to be recorded.

    Args:
        meter: its readers' collections record what waits. It gets an observable instrument for that, which never
            observes anything and so is never exported.
    """

    def __init__(self, meter: Meter) -> None:
        self._waiting: deque[tuple[Any, float, Mapping[str, AttributeValue] | None, Context]] = deque()
        self._thread: threading.Thread | None = None
        self._forked()
        # A meter keeps its callbacks for good: it must not keep us too.
        this = weakref.WeakMethod(self.record_all)

        def collected(_options: object) -> Iterable[Any]:
            record_all = this()
            if record_all is not None:
                record_all()
            return ()

        meter.create_observable_gauge("otel_dspy.measurements", callbacks=[collected])
        if hasattr(os, "register_at_fork"):
            forked = weakref.WeakMethod(self._forked)
            os.register_at_fork(after_in_child=lambda: (method := forked()) and method())

    def take(
        self,
        say: Callable[[float, Mapping[str, AttributeValue] | None, Context | None], None],
        value: float,
        attributes: Mapping[str, AttributeValue] | None,
        context: Context | None,
    ) -> None:
        """Let `say(value, attributes, context)` be called soon.

        Args:
            say: an instrument's `add` or `record`.
            value: what was measured, in the instrument's unit.
            attributes: must not be changed afterwards.
            context: where it was measured, for exemplars; None = here.
        """
        if len(self._waiting) >= _MOST:
            say(value, attributes, context)
            return
        self._waiting.append((say, value, attributes, get_current() if context is None else context))
        if not self.awake.is_set():
            self._wake()

    def record_all(self) -> None:
        """Record all that waits now."""
        with self._recording:
            for _ in range(len(self._waiting)):
                say, value, attributes, context = self._waiting.popleft()
                with guarded("a metric"):
                    say(value, attributes, context)

    def _wake(self) -> None:
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=_run, args=(weakref.ref(self),), daemon=True)
                    self._thread.name = "otel-dspy-measurements"
                    self._thread.start()
        self.awake.set()

    def _forked(self) -> None:
        # The parent records what it measured itself; its thread isn't here, and a lock may be held by nobody.
        self._waiting.clear()
        self.awake = threading.Event()
        self._recording = threading.Lock()
        self._starting = threading.Lock()
        self._thread = None


def _run(holder: weakref.ref[Measurements]) -> None:
    while (measurements := holder()) is not None:
        awake = measurements.awake
        del measurements
        awake.wait(60)  # and then looks whether anybody still holds the queue
        time.sleep(_DELAY)
        measurements = holder()
        if measurements is not None:
            awake.clear()
            measurements.record_all()


class LateHistogram:
    """A histogram whose measurements wait."""

    def __init__(self, measurements: Measurements, histogram: Histogram) -> None:
        self._take = measurements.take
        self._record = histogram.record

    def record(
        self, amount: float, attributes: Mapping[str, AttributeValue] | None = None, context: Context | None = None
    ) -> None:
        """`Histogram.record`, soon."""
        self._take(self._record, amount, attributes, context)


class LateCounter:
    """A counter whose measurements wait."""

    def __init__(self, measurements: Measurements, counter: Counter) -> None:
        self._take = measurements.take
        self._add = counter.add

    def add(
        self, amount: float, attributes: Mapping[str, AttributeValue] | None = None, context: Context | None = None
    ) -> None:
        """`Counter.add`, soon."""
        self._take(self._add, amount, attributes, context)
