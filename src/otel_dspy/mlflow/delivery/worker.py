"""Delivery worker: a thread that delivers ended spans to MLflow, and a thread that writes the spool."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from otel_dspy.mlflow.delivery import spool
from otel_dspy.mlflow.delivery.cpu_throttle import CpuThrottle
from otel_dspy.mlflow.delivery.drop_policy import DropPolicy
from otel_dspy.mlflow.delivery.pipeline import Pipeline
from otel_dspy.mlflow.delivery.span_queue import SpanQueue
from otel_dspy.mlflow.tracking.exclusive_writer import ExclusiveWriter
from otel_dspy.mlflow.tracking.retry import Stopped
from otel_dspy.mlflow.tracking.sink import Sink
from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from otel_dspy.mlflow.delivery.drain_timeout import DrainTimeout
    from otel_dspy.mlflow.delivery.span_queue import Record
    from otel_dspy.mlflow.records.route import Destination, Route

_logger = logging.getLogger(__name__)

MAX_SPANS: Final = 10_000
MAX_CHARACTERS: Final = 64 * 1024 * 1024
"""Memory bounds of the example queue: spans, and characters of their string attributes. The rest is on disk."""
CONTROL_SPANS: Final = 1_000
CONTROL_CHARACTERS: Final = 8 * 1024 * 1024
"""Memory bounds of the control queue. Control spans are few and large: the tables and programs of an outage of hours.
"""
TICK: Final = 0.25
"""Maximum seconds that the delivery thread sleeps while a batch lingers."""
SPOOL_EVERY: Final = 0.3
SPOOL_AFTER: Final = 0.6
"""Interval between two writes of the spool, and age at which a span is written, in seconds. Both, plus the write
itself, bound what a killed process loses to its last second.
"""
BACK_PRESSURE: Final = 1.0
"""Seconds that a span's end blocks, once, for a slow disk before traces are dropped."""
JOIN: Final = 1.0
"""Seconds to wait at shutdown for a request in progress."""
_left_off: Final = threading.Event()
"""Set if a worker of this process was closed during a compile, which the next worker continues."""


@dataclass(slots=True, eq=False)
class _Flush:
    """A pending flush: done once all records before these numbers have been delivered."""

    control: int
    traces: int
    done: threading.Event
    end_runs: bool
    """At process end: end the open runs once the control spans have been processed, before example traces."""
    runs_ended: bool = False


class Worker:
    """Queues ended spans without blocking and delivers them through a `Pipeline`; the rest is in the spool."""

    def __init__(self, max_spans: int = MAX_SPANS, max_characters: int = MAX_CHARACTERS) -> None:
        self._max_spans = max_spans
        self._max_characters = max_characters
        self._reset(forked=False)
        itself: weakref.ref[Worker] = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _after_fork(itself), after_in_parent=lambda: _has_forked(itself))

    def _reset(self, *, forked: bool) -> None:
        """Create empty queues and no threads: at construction, and in a forked child, which has only its own spans."""
        self._forked = forked
        self._gate = ForkGate()
        stem = spool.new_stem()
        self._control = SpanQueue(
            spool.Journal(stem, "control"),
            max_spans=min(self._max_spans, CONTROL_SPANS),
            max_characters=min(self._max_characters, CONTROL_CHARACTERS),
        )
        self._traces = SpanQueue(
            spool.Journal(stem, "traces"), max_spans=self._max_spans, max_characters=self._max_characters
        )
        self._drop_policy = DropPolicy()
        self._room = spool.max_bytes()
        self._full = False
        self._impatient = False
        """Whether a wait for the disk has timed out since memory was last below its bound."""
        self._ready = threading.Condition()
        self._spool_now = threading.Event()
        self._flushes: list[_Flush] = []
        self._hurry = threading.Event()
        """Set while a flush is pending: no throttling."""
        self._threads: list[threading.Thread] = []
        """The started threads: the delivery thread first, then the spool thread."""
        self._started = False
        """Whether both have started."""
        self._warned = False
        """Whether the failure to start a thread was logged."""
        self._stop = threading.Event()
        self._closed = False
        self._kept = 0
        """Number of failed operations whose spans are retained."""
        self._failed_spans = 0
        """Number of spans that failed to process."""
        self._pipeline = Pipeline(self._new_sink)
        if forked or _left_off.is_set():
            self._pipeline.look_first()

    def _new_sink(self, destination: Destination) -> Sink:
        return Sink(ExclusiveWriter(destination, self._stop, own=True), urgent=self._runs_wait)

    def put(self, span: ReadableSpan, route: Route) -> None:
        """Queue an ended span. Never blocks on MLflow; blocks on the disk only to avoid dropping a trace."""
        if self._traces.overfull:
            self._wait_for_disk()
        else:
            self._impatient = False
        size = sum(len(value) for value in (span.attributes or {}).values() if isinstance(value, str))
        own = span.get_span_context()
        root = own is not None and f"{own.span_id:016x}" == route.context.root_id
        with self._ready:
            if self._closed:
                return
            if self._drop_policy.is_control(span, route.context):
                self._drop_policy.record_control(route.context, self._control.next_number, root=root)
                self._control.hold = True
                full = self._control.put(span, route, size)
            elif self._drop_policy.admits(route.context, root=root, room=not (self._full or self._traces.overfull)):
                full = self._traces.put(span, route, size)
            else:
                return
            self._start()
            self._ready.notify()
        if full:
            self._spool_now.set()

    def _wait_for_disk(self) -> None:
        began = time.monotonic()
        while self._traces.overfull and not (
            self._full or self._traces.write_failed or self._impatient or self._closed
        ):
            self._impatient = time.monotonic() - began >= BACK_PRESSURE
            self._spool_now.set()
            time.sleep(0.01)

    @property
    def lost(self) -> int:
        """Number of operations that MLflow rejected, plus spans that failed to process or were dropped."""
        return self._pipeline.lost + self._drop_policy.dropped_spans + self._failed_spans

    @property
    def waiting(self) -> int:
        """Number of spans that MLflow has not acknowledged."""
        return self._control.waiting + self._traces.waiting

    @property
    def failing_since(self) -> float | None:
        """`time.monotonic()` since which MLflow accepts nothing; None if it does.

        A failing artifact store counts only when nothing else is left.
        """
        tracking = self._pipeline.failing_since
        return tracking if tracking is not None or self.waiting else self._pipeline.artifacts_failing_since

    def flush(self, timeout: float) -> bool:
        """Wait until all queued spans have been delivered or rejected.

        Args:
            timeout: seconds.

        Returns:
            False if the timeout expired or the worker was closed.
        """
        done = self._flushed()
        return done is not None and done.wait(timeout) and not (self._closed and self.waiting)

    def _flushed(self, *, end_runs: bool = False) -> threading.Event | None:
        """Return the event that is set once all queued spans are delivered; None if no thread can be started."""
        done = threading.Event()
        with self._ready:
            if not self._closed and not self._threads and self.waiting:
                self._start()
                if not self._threads:
                    return None
            if self._closed or not self._threads:
                done.set()
            else:
                # Runs that began before a fork are ended by the parent.
                end_runs = end_runs and not self._forked
                self._flushes.append(_Flush(self._control.next_number, self._traces.next_number, done, end_runs))
                self._hurry.set()
                self._ready.notify()
        return done

    def drain(self, deadline: DrainTimeout, *, end_runs: bool = False) -> bool:
        """Wait until the queues are delivered, within the deadlines of `deadline`; the rest stays in the spool.

        Args:
            deadline: the deadlines.
            end_runs: the process ends: end open runs as KILLED.

        Returns:
            False if spans are left.
        """
        done = self._flushed(end_runs=end_runs)
        delivered = done is not None and deadline.wait(done, self)
        if not delivered:
            self._persist(0)
        elif self._forked:
            # The enclosing trace ends in the parent process: nothing to wait for.
            self._release(keep=False)
        return delivered

    def close(self, deadline: DrainTimeout, *, end_runs: bool = False) -> bool:
        """Drain, reject further spans and end the threads; warn which spool files are left.

        Args:
            deadline: see `drain`.
            end_runs: see `drain`.

        Returns:
            False if spans are left.
        """
        if self._closed:
            return True
        delivered = self.drain(deadline, end_runs=end_runs)
        with self._ready:
            self._closed = True
            if self._drop_policy.has_open_trace:
                _left_off.set()
            self._ready.notify()
        self._stop.set()
        self._spool_now.set()
        for thread in self._threads:
            thread.join(JOIN)
        for flush in self._flushes:
            flush.done.set()  # no further delivery
        left, unfinished = self.waiting, self._pipeline.artifacts_waiting
        if left or unfinished:
            self._persist(0)
        if unfinished:
            self._kept += unfinished
            self._control.keep()
        unwritten = self._control.unwritten + self._traces.unwritten
        self._failed_spans += unwritten
        queues = (self._control, self._traces)
        paths = [str(path) for queue in queues for path in (queue.paths if left else queue.kept_paths)]
        self._release(keep=left > 0)
        self._log_undelivered(left, unwritten, paths)
        return delivered and not paths

    def _log_undelivered(self, left: int, unwritten: int, paths: list[str]) -> None:
        replay = f"deliver them with: otel-dspy replay {' '.join(paths)}"
        if left > unwritten:
            _logger.warning(
                "%d spans were not delivered to MLflow. They are in the spool; %s", left - unwritten, replay
            )
        elif self._kept:
            _logger.warning(
                "%d operations on MLflow or an artifact store failed. Their spans are in the spool; %s",
                self._kept,
                replay,
            )
        if unwritten:
            _logger.warning(
                "%d spans were not delivered to MLflow and could not be written to the spool: they are lost", unwritten
            )
        if self._pipeline.lost:
            _logger.warning("MLflow rejected %d operations", self._pipeline.lost)
        if self._drop_policy.dropped_traces:
            _logger.warning(
                "%d example traces (%d spans) were dropped: MLflow was too slow and the spool was full (%s)",
                self._drop_policy.dropped_traces,
                self._drop_policy.dropped_spans,
                spool.MAX_BYTES_VARIABLE,
            )

    def _release(self, *, keep: bool) -> None:
        for queue in (self._control, self._traces):
            try:
                queue.close(keep=keep)
            except OSError as error:
                _logger.warning("The spool cannot be closed: %s", error)

    def start(self) -> None:
        """Start the threads if they are not running. Idempotent and thread-safe.

        Called at span start, because a deferred end may be queued only during interpreter shutdown, when CPython 3.12.0
        and 3.12.1 start no threads. Not called at construction: a pre-forking server would then fork with threads.
        """
        if not self._started:
            with self._ready:
                self._start()

    def _start(self) -> None:
        if self._started or self._closed:
            return
        targets = (("otel-dspy-mlflow", self._deliver), ("otel-dspy-spool", self._keep))
        for name, target in targets[len(self._threads) :]:
            thread = threading.Thread(target=target, name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                if not self._warned:
                    self._warned = True
                    _logger.warning(
                        "The delivery thread cannot be started; spans for MLflow stay in the spool: %s", error
                    )
                return
            self._threads.append(thread)
        self._started = True

    def _keep(self) -> None:
        while not self._closed:
            self._spool_now.wait(SPOOL_EVERY)
            self._spool_now.clear()
            if not self._closed:
                with self._gate:
                    self._persist(SPOOL_AFTER)

    def _persist(self, older_than: float) -> None:
        latest = time.monotonic() - older_than
        # Example spans precede their trial's end; write them first, in case the process is killed in between.
        control = self._control.next_number
        for queue, before in ((self._traces, self._traces.next_number), (self._control, control)):
            try:
                queue.persist(latest, before)
            except Exception:
                _logger.exception("Spans could not be written to the spool")
        self._full = self._control.size + self._traces.size >= self._room

    def _deliver(self) -> None:
        # Suppress tracing of delivery: with instrumented HTTP clients it would never end.
        with suppress_instrumentation():
            self._deliver_until_stopped()

    def _deliver_until_stopped(self) -> None:
        courtesy = CpuThrottle()
        try:
            while not self._stop.is_set():
                self._process(self._next())
                rest = courtesy.rest()
                if rest and not self._behind:
                    self._hurry.wait(rest)
        except Stopped:
            # The operation in progress is not confirmed, so it is in the spool.
            return

    @property
    def _behind(self) -> bool:
        """Whether the queues are close to their memory bound."""
        return 2 * max(self._control.waiting, self._traces.waiting) > self._max_spans

    def _next(self) -> Record | None:
        record = self._control.take() or self._traces.take()
        if record is None and (not self._flushes or self._pipeline.artifacts_waiting):
            with self._ready:
                if not self._closed:
                    self._ready.wait(TICK)
            record = self._control.take() or self._traces.take()
        return record

    def _process(self, record: Record | None) -> None:
        try:
            if record is not None:
                self._pipeline.process(record.decoded(), record.route)
            self._pipeline.send_due()
            if self._flushes:
                self._answer_flushes()
            elif not self._pipeline.waits:
                self._confirm()
        except Exception:
            self._failed_spans += record is not None
            _logger.exception("A span could not be delivered to MLflow")

    def _confirm(self) -> None:
        """Acknowledge all taken spans: they have been sent."""
        if self._pipeline.failed > self._kept:
            # A replay may succeed later: retain the spans of open compiles, and those just processed.
            self._kept = self._pipeline.failed
            self._persist(0)
            for queue in (self._control, self._traces):
                queue.keep()
        with self._ready:
            if self._closed:
                return
            open_traces = self._drop_policy.control_confirmed(self._control.next_waiting)
            # Artifacts are built from control spans, which stay on disk until the artifacts are written.
            self._control.hold = open_traces or self._pipeline.artifacts_waiting > 0
        self._control.confirm()
        self._traces.confirm()

    def _answer_flushes(self) -> None:
        for flush in self._flushes:
            if flush.end_runs and not flush.runs_ended and self._control.next_waiting >= flush.control:
                self._end_open_runs()
                flush.runs_ended = True
        reached = [
            flush
            for flush in self._flushes
            if self._control.next_waiting >= flush.control and self._traces.next_waiting >= flush.traces
        ]
        if reached:
            self._pipeline.send_all()
            if any(flush.end_runs for flush in reached):
                self._end_open_runs()  # the traces of examples create the run of a trial that no control span names yet
            self._pipeline.end_interrupted_traces()
        if not self._pipeline.waits:
            self._confirm()
        for flush in reached:
            if self._pipeline.artifacts_waiting:
                flush.end_runs = False  # done; only artifacts are left
            else:
                self._flushes.remove(flush)
                flush.done.set()
        with self._ready:
            if not self._flushes:
                self._hurry.clear()

    def _runs_wait(self) -> bool:
        """Whether runs, params or metrics are queued.

        They are sent before traces: a process that ends may not have time for both.
        """
        return not self._control.empty or any(flush.end_runs and not flush.runs_ended for flush in self._flushes)

    def _end_open_runs(self) -> None:
        reason = f"process {os.getpid()} exited before it recorded the end of the run"
        self._pipeline.end_open_runs(time.time_ns() // 1_000_000, reason)


def _has_forked(worker: weakref.ref[Worker]) -> None:
    found = worker()
    if found is not None:
        # The child may continue a compile that is in progress here, and log it first.
        found._pipeline.look_first()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the class' own hook


def _after_fork(worker: weakref.ref[Worker]) -> None:
    found = worker()
    if found is not None:
        found._control.abandon()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the class' own hook
        found._traces.abandon()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the same
        found._reset(forked=True)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the same
