"""Writer thread of the bridge: delivers queued requests to MLflow and acknowledges them."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_dspy.bridge.delivered_spans import DeliveredSpans
from otel_dspy.bridge.delivery import Written
from otel_dspy.bridge.foreign_spans import ProgramTraces
from otel_dspy.bridge.multi_writer.multi_writer_pipeline import MultiWriterPipeline
from otel_dspy.mlflow.tracking.requests.retry import Stopped
from otel_dspy.otlp_requests.span_route import is_ours

if TYPE_CHECKING:
    from otel_dspy.bridge.delivery import Delivery
    from otel_dspy.bridge.foreign_spans import RoutedSpan
    from otel_dspy.mlflow.records.route import Destination

_logger = logging.getLogger(__name__)

GROUP: Final = 2000
GROUP_SECONDS: Final = 1.0
"""Spans, and seconds of work, after which a group of deliveries is committed and acknowledged."""
MAX_REMEMBERED: Final = 200_000
"""Written spans to keep in memory, so that retries of a delivery too large for its client's timeout make progress."""
TICK: Final = 1.0
"""Seconds between checks for buffered spans that have expired."""


class _Name(NamedTuple):
    """Identity of a span at a destination."""

    trace_id: str
    span_id: str
    destination: Destination


@dataclass(slots=True)
class _Progress:
    """Progress of a delivery that is to be committed."""

    rejected: Counter[str] = field(default_factory=Counter[str])
    unmapped: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    names: list[_Name] = field(default_factory=list[_Name])
    destinations: set[Destination] = field(default_factory=set["Destination"])
    newest_ns: int = 0
    undecided: bool = False


class RequestWriter:
    """Thread that writes to MLflow in order of arrival, with a queue bounded in bytes."""

    def __init__(self, max_waiting: int) -> None:
        """Start the thread.

        Args:
            max_waiting: maximum size of queued deliveries in bytes; beyond it `submit` returns False.
        """
        self._max_waiting = max_waiting
        self._queue: deque[Delivery] = deque()
        self._size = 0
        self._ready = threading.Condition()
        self._closed = False
        self._stop = threading.Event()
        self._traces = ProgramTraces()
        self._delivered = DeliveredSpans(MAX_REMEMBERED)
        # Other bridges, or this one before a restart, may have written the same compiles.
        self.pipeline = MultiWriterPipeline(self._stop)
        self.written = 0
        """Number of spans stored in MLflow."""
        self.newest_lag = 0.0
        """Seconds from the end of the last written span to its storage in MLflow."""
        self._thread = threading.Thread(target=self._run, name="otel-dspy-bridge", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Bytes of deliveries that are queued or being written."""
        return self._size

    @property
    def delivered(self) -> set[tuple[str, str]]:
        """Trace and span ids of the last `MAX_REMEMBERED` spans stored in MLflow."""
        return self._delivered.names()

    @property
    def ignored(self) -> int:
        """Number of spans of other libraries dropped because their trace has no span of otel-dspy."""
        return self._traces.ignored

    @property
    def failing_since(self) -> float | None:
        """`time.monotonic()` of the start of an MLflow outage; None while MLflow accepts requests."""
        return self.pipeline.failing_since

    def submit(self, delivery: Delivery) -> bool:
        """Queue a delivery; return False if the queue is full or the writer is closed."""
        with self._ready:
            # A delivery larger than the bound is accepted while the queue is empty.
            if self._closed or (self._size and self._size + delivery.size > self._max_waiting):
                return False
            self._queue.append(delivery)
            self._size += delivery.size
            self._ready.notify()
        return True

    def close(self, patience: float) -> None:
        """Reject new deliveries and write queued ones for up to `patience` seconds; the rest is not acknowledged."""
        with self._ready:
            self._closed = True
            self._ready.notify()
        began = time.monotonic()
        self._thread.join(patience)
        self.pipeline.wait_for_reports(max(0.0, patience - (time.monotonic() - began)))
        self._stop.set()
        self._thread.join(1.0)
        while self._queue:
            self._queue.popleft().done.cancel()

    def _run(self) -> None:
        try:
            while not (self._closed and not self._queue):
                self._commit()
                self._traces.drop_expired()
            self._commit()  # without deliveries: starts the reports that waited for them
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
        """Write queued deliveries, commit and acknowledge them; several share the requests of one commit.

        If there are none within `TICK`, the bridge counts as idle: a client that waits for its answer before it sends
        more leaves the queue empty in between.
        """
        failed, lost, began, spans = self.pipeline.failures(), self.pipeline.losses(), time.monotonic(), 0
        progress: dict[Delivery, _Progress] = {}
        met: set[_Name] = set()
        error = ""
        delivery = self._next(TICK)
        self.pipeline.retry_denied()
        try:
            while delivery is not None:
                progress[delivery] = _Progress()
                self._write(delivery, progress[delivery], met)
                spans += len(delivery.spans)
                if spans >= GROUP or time.monotonic() - began >= GROUP_SECONDS:
                    break
                delivery = self._next(0)
            self.pipeline.send_all(busy=bool(progress))
        except Exception as raised:
            _logger.exception(
                "Writing deliveries to MLflow failed; they are written again. This is an error of otel-dspy: report it "
                "with this traceback."
            )
            error = type(raised).__name__
        failing = {place for place, count in self.pipeline.failures().items() if count > failed.get(place, 0)}
        rejected = Counter(self.pipeline.losses())
        rejected.subtract(lost)
        with self._ready:
            self._size -= sum(delivery.size for delivery in progress)
        for delivery, found in progress.items():
            if not error:
                self._remember(found, failing)
            # A failure at one destination does not affect deliveries to others.
            failed_at = frozenset(failing & found.destinations)
            lost_there = sum(rejected[destination] for destination in found.destinations)
            unmapped = {(name.trace_id, name.span_id) for name in found.names} if error else found.unmapped
            delivery.done.set_result(
                Written(
                    bool(error or failed_at),
                    found.rejected,
                    lost_there,
                    failed_at,
                    error,
                    frozenset(unmapped),
                    found.undecided,
                )
            )

    def _write(self, delivery: Delivery, progress: _Progress, met: set[_Name]) -> None:
        """Write a delivery. `met` holds the names of all spans of the same commit; its spans are added."""
        for given in delivery.spans:
            name = _name(given)
            progress.names.append(name)
            progress.destinations.add(given[1].destination)
            progress.newest_ns = max(progress.newest_ns, given[0].end_ns)
            if name in met or self._delivered.has(*name):
                continue
            met.add(name)
            chosen = self._traces.ours(given) if is_ours(given[0]) else self._traces.foreign(given)
            progress.undecided |= not chosen
            for span, route in chosen:
                progress.destinations.add(route.destination)
                try:
                    self.pipeline.process(span, route)
                except Exception as error:
                    _logger.debug("a span cannot be written to MLflow", exc_info=True)
                    progress.rejected[f"cannot be written to MLflow ({type(error).__name__})"] += 1
                    progress.unmapped.add((span.trace_id, span.span_id))

    def _remember(self, progress: _Progress, failing: set[Destination]) -> None:
        names = [name for name in progress.names if name.destination not in failing]
        self.written += max(0, len(names) - progress.rejected.total())
        for name in names:
            self._delivered.add(*name)
        if names:
            self.newest_lag = max(0.0, time.time() - progress.newest_ns / 1e9)


def _name(routed: RoutedSpan) -> _Name:
    return _Name(routed[0].trace_id, routed[0].span_id, routed[1].destination)
