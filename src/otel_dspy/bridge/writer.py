"""Deliveries to MLflow, each answered once MLflow has what stands in it."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from otel_dspy.bridge.delivered_spans import DeliveredSpans
from otel_dspy.bridge.foreign_spans import ProgramTraces
from otel_dspy.bridge.multi_writer.pipeline import MultiWriterPipeline
from otel_dspy.bridge.routing import is_ours
from otel_dspy.mlflow.tracking.retry import Stopped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.bridge.foreign_spans import Placed
    from otel_dspy.mlflow.records.route import Destination

_logger = logging.getLogger(__name__)

GROUP: Final = 2000
GROUP_SECONDS: Final = 1.0
"""Spans, and seconds of work, after which what has been told is committed and acknowledged."""
MAX_REMEMBERED: Final = 200_000
"""Spans that are remembered as written, so that a delivery too large for its client's patience ends some day."""
TICK: Final = 1.0
"""Seconds between two looks at what has waited too long."""


@dataclass(frozen=True, slots=True)
class Written:
    """How a delivery ended.

    Attributes:
        again: MLflow failed at a part of it: it should be delivered again.
        refused: why spans could not be told, and how many for each reason.
        lost: operations that MLflow refused, of this delivery or of those that were committed with it.
    """

    again: bool = False
    refused: Counter[str] = field(default_factory=Counter[str])
    lost: int = 0


class SpanSource(Protocol):
    """Spans that may be made only when they are asked for."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __iter__(self) -> Iterator[Placed]:
        """They, each with where it goes."""
        ...


class _Name(NamedTuple):
    """What a span is known by."""

    trace_id: str
    span_id: str
    destination: Destination


@dataclass(slots=True)
class _Told:
    """What has been told of a delivery, and is to be committed."""

    refused: Counter[str] = field(default_factory=Counter[str])
    names: list[_Name] = field(default_factory=list[_Name])
    destinations: set[Destination] = field(default_factory=set["Destination"])
    newest_ns: int = 0


@dataclass(slots=True, eq=False)
class Delivery:
    """Spans that are acknowledged together.

    Attributes:
        spans: each with where it goes; gone through once, when their turn has come.
        size: bytes that it takes, about.
        done: how it ended. Cancelled by a caller that waits no longer: what has not begun then is left out.
    """

    spans: SpanSource
    size: int
    done: Future[Written] = field(default_factory=Future[Written])


class Writer:
    """One thread that tells MLflow, in the order of arrival, and a queue that is bounded in bytes."""

    def __init__(self, max_waiting: int) -> None:
        """Start it.

        Args:
            max_waiting: bytes of deliveries that may wait; beyond it `submit` says no.
        """
        self._max_waiting = max_waiting
        self._queue: deque[Delivery] = deque()
        self._size = 0
        self._ready = threading.Condition()
        self._closed = False
        self._stop = threading.Event()
        self._traces = ProgramTraces()
        self._remembered = DeliveredSpans(MAX_REMEMBERED)
        # Other bridges, or this one before a restart, may have written of the same compiles.
        self.pipeline = MultiWriterPipeline(self._stop)
        self.written = 0
        """Spans that MLflow has."""
        self.newest_lag = 0.0
        """Seconds between the end of the span that was written last and MLflow's having it."""
        self._thread = threading.Thread(target=self._run, name="otel-dspy-bridge", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Bytes of deliveries that wait or are being told."""
        return self._size

    @property
    def remembered(self) -> set[tuple[str, str]]:
        """Trace and span ids of what MLflow has, the last `MAX_REMEMBERED`."""
        return self._remembered.names()

    @property
    def ignored(self) -> int:
        """Spans of other libraries in traces that no program was heard of in."""
        return self._traces.ignored

    @property
    def failing_since(self) -> float | None:
        """`time.monotonic()` since when MLflow takes nothing; None while it does."""
        return self.pipeline.failing_since

    def submit(self, delivery: Delivery) -> bool:
        """Queue a delivery; False if there is no room for it, or no time left."""
        with self._ready:
            # One that is larger than the bound goes when nothing else waits.
            if self._closed or (self._size and self._size + delivery.size > self._max_waiting):
                return False
            self._queue.append(delivery)
            self._size += delivery.size
            self._ready.notify()
        return True

    def close(self, patience: float) -> None:
        """Take nothing more, finish what waits, `patience` seconds at most; the rest is not acknowledged."""
        with self._ready:
            self._closed = True
            self._ready.notify()
        self._thread.join(patience)
        self._stop.set()
        self._thread.join(1.0)
        while self._queue:
            self._queue.popleft().done.cancel()

    def _run(self) -> None:
        try:
            while not (self._closed and not self._queue):
                self._commit()
                self._traces.tidy()
        except Stopped:
            return

    def _next(self, wait: float) -> Delivery | None:
        with self._ready:
            if not self._queue and not self._closed:
                self._ready.wait(wait)
            while self._queue:
                delivery = self._queue.popleft()
                if delivery.done.set_running_or_notify_cancel():
                    return delivery
                self._size -= delivery.size
        return None

    def _commit(self) -> None:
        """Tell what waits, commit, acknowledge: several deliveries together, lest each costs requests of its own."""
        failed, lost, began, spans = self.pipeline.failures(), self.pipeline.lost, time.monotonic(), 0
        told: dict[Delivery, _Told] = {}
        met: set[_Name] = set()
        again = False
        delivery = self._next(TICK)
        self.pipeline.ask_again()
        try:
            while delivery is not None:
                told[delivery] = _Told()
                self._tell(delivery, told[delivery], met)
                spans += len(delivery.spans)
                if spans >= GROUP or time.monotonic() - began >= GROUP_SECONDS:
                    break
                delivery = self._next(0)
            self.pipeline.send_all()
        except Exception:
            _logger.exception("Deliveries could not be told to MLflow")
            again = True
        failing = {place for place, count in self.pipeline.failures().items() if count > failed.get(place, 0)}
        with self._ready:
            self._size -= sum(delivery.size for delivery in told)
        for delivery, found in told.items():
            if not again:
                self._remember(found, failing)
            # What goes elsewhere is none of the others' business.
            failed_at = again or not failing.isdisjoint(found.destinations)
            delivery.done.set_result(Written(failed_at, found.refused, self.pipeline.lost - lost))

    def _tell(self, delivery: Delivery, told: _Told, met: set[_Name]) -> None:
        """Tell a delivery. `met`: names of spans that go out with the same commit, to which its own are added."""
        for given in delivery.spans:
            name = _name(given)
            told.names.append(name)
            told.destinations.add(given[1].destination)
            told.newest_ns = max(told.newest_ns, given[0].end_ns)
            if name in met or self._remembered.has(*name):
                continue
            met.add(name)
            chosen = self._traces.ours(given) if is_ours(given[0]) else self._traces.foreign(given)
            for span, route in chosen:
                told.destinations.add(route.destination)
                try:
                    self.pipeline.process(span, route)
                except Exception as error:
                    _logger.debug("a span that cannot be told", exc_info=True)
                    told.refused[f"cannot be told to MLflow ({type(error).__name__})"] += 1

    def _remember(self, told: _Told, failing: set[Destination]) -> None:
        names = [name for name in told.names if name.destination not in failing]
        self.written += max(0, len(names) - told.refused.total())
        for name in names:
            self._remembered.add(*name)
        if names:
            self.newest_lag = max(0.0, time.time() - told.newest_ns / 1e9)


def _name(placed: Placed) -> _Name:
    return _Name(placed[0].trace_id, placed[0].span_id, placed[1].destination)
