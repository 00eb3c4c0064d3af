"""Two daemon threads between the user's threads and MLflow: one delivers, one writes the spool."""

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
from otel_dspy.mlflow.tracking.retry import Stopped
from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from otel_dspy.mlflow.delivery.drain_timeout import DrainTimeout
    from otel_dspy.mlflow.delivery.span_queue import Record
    from otel_dspy.mlflow.records.route import Route

_logger = logging.getLogger(__name__)

MAX_SPANS: Final = 10_000
MAX_CHARACTERS: Final = 64 * 1024 * 1024
"""Bounds of the examples' queue in memory: spans, and characters of their string attributes. The rest is on disk."""
CONTROL_SPANS: Final = 1_000
CONTROL_CHARACTERS: Final = 8 * 1024 * 1024
"""The same of control spans, which are few and large: the tables and programs of an outage of hours."""
TICK: Final = 0.25
"""Seconds that the delivering thread sleeps at most while spans wait for company."""
SPOOL_EVERY: Final = 0.3
SPOOL_AFTER: Final = 0.6
"""Seconds between two looks at what has waited, and seconds after its end when a span is written: together, with the
writing itself, at most the last second of a killed process is missing.
"""
BACK_PRESSURE: Final = 1.0
"""Seconds that a span's end waits, once, for a disk that is slower than the program, before traces are dropped."""
JOIN: Final = 1.0
"""Seconds that an end waits for a request that is under way."""
_left_off: Final = threading.Event()
"""A worker of this process was closed in the middle of a compile, with which the next one goes on."""


@dataclass(slots=True, eq=False)
class _Flush:
    """Somebody waits until all before these numbers has been delivered."""

    control: int
    traces: int
    done: threading.Event
    end_runs: bool
    """The process ends: end the open runs once the control spans have been processed, before example traces."""
    runs_ended: bool = False


class Worker:
    """Takes ended spans, returns at once, hands them to a `Pipeline`; what is not delivered stands in the spool."""

    def __init__(self, max_spans: int = MAX_SPANS, max_characters: int = MAX_CHARACTERS) -> None:
        self._max_spans = max_spans
        self._max_characters = max_characters
        self._reset(forked=False)
        itself: weakref.ref[Worker] = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _after_fork(itself), after_in_parent=lambda: _has_forked(itself))

    def _reset(self, *, forked: bool) -> None:
        """Empty queues and no threads: at the beginning, and in a forked child (whose spans are its own alone)."""
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
        self._admission = DropPolicy()
        self._room = spool.max_bytes()
        self._full = False
        self._impatient = False
        """The disk was waited for in vain since memory was last below its bound."""
        self._ready = threading.Condition()
        self._spool_now = threading.Event()
        self._flushes: list[_Flush] = []
        self._hurry = threading.Event()
        """Somebody waits for the delivery: no rest."""
        self._threads: list[threading.Thread] = []
        """Those that have started: the delivering one first, then the one that writes the spool."""
        self._started = False
        """Both have."""
        self._warned = False
        """That no thread can be started is in the log."""
        self._stop = threading.Event()
        self._closed = False
        self._kept = 0
        """Operations that MLflow failed at, as far as what tells them is kept."""
        self._untold = 0
        """Spans that were lost on the way."""
        self._pipeline = Pipeline(
            self._stop,
            look_first=forked or _left_off.is_set(),
            own=True,
            urgent=self._runs_wait,
        )

    def put(self, span: ReadableSpan, route: Route) -> None:
        """Queue an ended span. Never waits for MLflow; for the disk only rather than drop what it is about to take."""
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
            if self._admission.is_control(span, route.context):
                self._admission.control_came(route.context, self._control.next_number, root=root)
                self._control.hold = True
                full = self._control.put(span, route, size)
            elif self._admission.admits(route.context, root=root, room=not (self._full or self._traces.overfull)):
                full = self._traces.put(span, route, size)
            else:
                return
            self._start()
            self._ready.notify()
        if full:
            self._spool_now.set()

    def _wait_for_disk(self) -> None:
        began = time.monotonic()
        while self._traces.overfull and not (self._full or self._traces.ill or self._impatient or self._closed):
            self._impatient = time.monotonic() - began >= BACK_PRESSURE
            self._spool_now.set()
            time.sleep(0.01)

    @property
    def lost(self) -> int:
        """Operations that MLflow refused, and spans that could not be told or found no room in memory and spool."""
        return self._pipeline.lost + self._admission.dropped_spans + self._untold

    @property
    def waiting(self) -> int:
        """Spans that MLflow is not known to have."""
        return self._control.waiting + self._traces.waiting

    @property
    def failing_since(self) -> float | None:
        """`time.monotonic()` since when MLflow takes nothing; None while it does.

        An artifact store that takes nothing counts only when nothing else is left.
        """
        tracking = self._pipeline.failing_since
        return tracking if tracking is not None or self.waiting else self._pipeline.artifacts_failing_since

    def flush(self, timeout: float) -> bool:
        """Wait until all that was queued has been delivered or refused.

        Args:
            timeout: seconds.

        Returns:
            False if the time ran out, or if the worker was closed before.
        """
        done = self._flushed()
        return done is not None and done.wait(timeout) and not (self._closed and self.waiting)

    def _flushed(self, *, end_runs: bool = False) -> threading.Event | None:
        """The event that is set once all queued spans are delivered; None if no thread can be started to do so."""
        done = threading.Event()
        with self._ready:
            if not self._closed and not self._threads and self.waiting:
                self._start()
                if not self._threads:
                    return None
            if self._closed or not self._threads:
                done.set()
            else:
                # What was begun before a fork ends in the parent.
                end_runs = end_runs and not self._forked
                self._flushes.append(_Flush(self._control.next_number, self._traces.next_number, done, end_runs))
                self._hurry.set()
                self._ready.notify()
        return done

    def drain(self, patience: DrainTimeout, *, end_runs: bool = False) -> bool:
        """Wait while MLflow goes on taking, as long as `patience` allows; what then is left is in the spool.

        Args:
            patience: how long.
            end_runs: the process ends: mark the runs as KILLED that nothing has ended.

        Returns:
            False if something is left.
        """
        done = self._flushed(end_runs=end_runs)
        delivered = done is not None and patience.wait(done, self)
        if not delivered:
            self._persist(0)
        elif self._forked:
            # The trace that it is a part of ends in the parent: nothing to wait for.
            self._release(keep=False)
        return delivered

    def close(self, patience: DrainTimeout, *, end_runs: bool = False) -> bool:
        """Drain, then take nothing more and end the threads; what is left stays in the spool, with a word on where.

        Args:
            patience: as in `drain`.
            end_runs: the same.

        Returns:
            False if something is left.
        """
        if self._closed:
            return True
        delivered = self.drain(patience, end_runs=end_runs)
        with self._ready:
            self._closed = True
            if self._admission.goes_on:
                _left_off.set()
            self._ready.notify()
        self._stop.set()
        self._spool_now.set()
        for thread in self._threads:
            thread.join(JOIN)
        for flush in self._flushes:
            flush.done.set()  # nothing is delivered any more
        left, unfinished = self.waiting, self._pipeline.artifacts_waiting
        if left or unfinished:
            self._persist(0)
        if unfinished:
            self._kept += unfinished
            self._control.keep()
        unwritten = self._control.unwritten + self._traces.unwritten
        self._untold += unwritten
        lanes = (self._control, self._traces)
        paths = [str(path) for lane in lanes for path in (lane.paths if left else lane.kept_paths)]
        self._release(keep=left > 0)
        self._tell(left, unwritten, paths)
        return delivered and not paths

    def _tell(self, left: int, unwritten: int, paths: list[str]) -> None:
        replay = f"write them later with: otel-dspy replay {' '.join(paths)}"
        if left > unwritten:
            _logger.warning("MLflow has not taken %d spans. They are in the spool; %s", left - unwritten, replay)
        elif self._kept:
            _logger.warning(
                "MLflow or an artifact store failed at %d operations. What tells them is in the spool; %s",
                self._kept,
                replay,
            )
        if unwritten:
            _logger.warning(
                "MLflow has not taken %d spans, and the spool could not be written: they are lost", unwritten
            )
        if self._pipeline.lost:
            _logger.warning("MLflow refused %d operations", self._pipeline.lost)
        if self._admission.dropped_traces:
            _logger.warning(
                "%d example traces (%d spans) were dropped: MLflow was too slow and the spool full (%s)",
                self._admission.dropped_traces,
                self._admission.dropped_spans,
                spool.MAX_BYTES_VARIABLE,
            )

    def _release(self, *, keep: bool) -> None:
        for lane in (self._control, self._traces):
            try:
                lane.close(keep=keep)
            except OSError as error:
                _logger.warning("The spool cannot be closed: %s", error)

    def start(self) -> None:
        """Start the threads, unless they run. Idempotent and thread-safe.

        Called when a span starts, because its deferred end may not be queued before the interpreter shuts down, when
        CPython 3.12.0 and 3.12.1 start no more threads. Not called when the worker is made: a server's parent process,
        which forks its workers, would then fork with threads.
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
                    _logger.warning("No thread can be started, so spans for MLflow stay in the spool: %s", error)
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
        # A trial that stands there as ended has its examples there, which came before it: a kill may come in between.
        control = self._control.next_number
        for lane, before in ((self._traces, self._traces.next_number), (self._control, control)):
            try:
                lane.persist(latest, before)
            except Exception:
                _logger.exception("Spans could not be written to the spool")
        self._full = self._control.size + self._traces.size >= self._room

    def _deliver(self) -> None:
        # What delivers must not be traced: with HTTP clients instrumented it would go on for ever.
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
            # What was being told is not confirmed, so it is in the spool.
            return

    @property
    def _behind(self) -> bool:
        """Whether so much waits that memory will not hold it for long."""
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
            self._untold += record is not None
            _logger.exception("A span could not be told to MLflow")

    def _confirm(self) -> None:
        """All that was taken has been sent."""
        if self._pipeline.failed > self._kept:
            # MLflow may take it another day: keep all that there is of open compiles, and what was just told.
            self._kept = self._pipeline.failed
            self._persist(0)
            for lane in (self._control, self._traces):
                lane.keep()
        with self._ready:
            if self._closed:
                return
            open_traces = self._admission.control_confirmed(self._control.next_waiting)
            # Artifacts are made from control spans: those stay on disk while an artifact is not in its store.
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
                self._end_open_runs()  # of a trial that no control span names yet, its examples' traces make the run
            self._pipeline.end_cut_off_traces()
        if not self._pipeline.waits:
            self._confirm()
        for flush in reached:
            if self._pipeline.artifacts_waiting:
                flush.end_runs = False  # done; only artifacts are waited for
            else:
                self._flushes.remove(flush)
                flush.done.set()
        with self._ready:
            if not self._flushes:
                self._hurry.clear()

    def _runs_wait(self) -> bool:
        """Whether runs, params or metrics wait.

        They go before traces: a process that ends may not have time for both.
        """
        return not self._control.empty or any(flush.end_runs and not flush.runs_ended for flush in self._flushes)

    def _end_open_runs(self) -> None:
        reason = f"process {os.getpid()} ended before it had told how the run did"
        self._pipeline.end_open_runs(time.time_ns() // 1_000_000, reason)


def _has_forked(worker: weakref.ref[Worker]) -> None:
    found = worker()
    if found is not None:
        # The child may go on with a compile that is under way here, and be the first to tell of it.
        found._pipeline.look_first()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the class' own hook


def _after_fork(worker: weakref.ref[Worker]) -> None:
    found = worker()
    if found is not None:
        found._control.abandon()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the class' own hook
        found._traces.abandon()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the same
        found._reset(forked=True)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the same
