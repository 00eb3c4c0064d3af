"""Delivery worker: a thread that delivers ended spans to MLflow, and a thread that writes the spool."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.delivery.delivery_loop import DeliveryLoop, WorkerState
from otel_dspy.mlflow.delivery.drop_policy import DropPolicy
from otel_dspy.mlflow.delivery.pending_flushes import PendingFlushes
from otel_dspy.mlflow.delivery.spooled_queues import MAX_CHARACTERS, MAX_SPANS, SpooledQueues
from otel_dspy.mlflow.delivery.undelivered_warnings import Undelivered
from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from otel_dspy.mlflow.delivery.drain_timeout import DrainTimeout
    from otel_dspy.mlflow.records.route import Route

_logger = logging.getLogger(__name__)

SPOOL_EVERY: Final = 0.3
SPOOL_AFTER: Final = 0.6
"""Interval between two writes of the spool, and age at which a span is written, in seconds. Both, plus the write
itself, bound what a killed process loses to its last second.
"""
JOIN: Final = 1.0
"""Seconds to wait at shutdown for a request in progress."""
left_off: Final = threading.Event()
"""Set if a worker of this process was closed during a compile, which the next worker continues."""


class Worker:
    """Queues ended spans without blocking and delivers them through a `SpanPipeline`; the rest is in the spool."""

    def __init__(self, max_spans: int = MAX_SPANS, max_characters: int = MAX_CHARACTERS) -> None:
        """Create empty queues; a thread starts with the first span.

        Args:
            max_spans: maximum number of spans in memory; further ones are kept on disk only.
            max_characters: the same bound, in characters of string attributes.
        """
        self._max_spans = max_spans
        self._max_characters = max_characters
        self._reset(forked=False)
        itself: weakref.ref[Worker] = weakref.ref(self)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: _after_fork(itself), after_in_parent=lambda: _has_forked(itself))

    def _reset(self, *, forked: bool) -> None:
        """Create empty queues and no threads: at construction, and in a forked child, which has only its own spans."""
        self._forked = forked
        self._gate = ForkGate()
        self._closing = threading.RLock()
        """Held by `close`. Reentrant for a signal handler that closes, too."""
        self.queues = SpooledQueues(self._max_spans, self._max_characters)
        """The spans that wait, in memory and on disk."""
        self._flushes = PendingFlushes(self.queues)
        self._drop_policy = DropPolicy()
        self._state = WorkerState()
        self._threads: list[threading.Thread] = []
        """The started threads: the delivery thread first, then the spool thread."""
        self._started = False
        """Whether both have started."""
        self._warned = False
        """Whether the failure to start a thread was logged."""
        self._loop = DeliveryLoop(self.queues, self._flushes, self._drop_policy, self._state)
        if forked or left_off.is_set():
            self._loop.pipeline.look_up_runs()

    def put(self, span: ReadableSpan, route: Route) -> None:
        """Queue an ended span. Never blocks on MLflow; blocks on the disk only to avoid dropping a trace."""
        self.queues.wait_for_disk(lambda: self._state.closed)
        control, traces = self.queues.control, self.queues.traces
        size = sum(len(value) for value in (span.attributes or {}).values() if isinstance(value, str))
        own = span.get_span_context()
        root = own is not None and f"{own.span_id:016x}" == route.context.root_id
        with self._state.ready:
            if self._state.closed:
                return
            if self._drop_policy.is_control(span, route.context):
                self._drop_policy.record_control(route.context, control.next_number, root=root)
                control.hold = True
                full = control.put(span, route, size)
            elif self._drop_policy.admits(route.context, root=root, room=self.queues.has_room):
                full = traces.put(span, route, size)
            else:
                return
            self._start()
            self._state.ready.notify()
        if full:
            self.queues.spool_now.set()

    @property
    def lost(self) -> int:
        """Number of operations that MLflow rejected, plus spans that failed to process or were dropped."""
        return self._loop.pipeline.lost + self._drop_policy.dropped_spans + self._loop.failed_spans

    @property
    def closed(self) -> bool:
        """Whether `close` was called: further spans are rejected."""
        return self._state.closed

    @property
    def waiting(self) -> int:
        """Number of spans that MLflow has not acknowledged."""
        return self.queues.waiting

    @property
    def undelivered(self) -> int:
        """Number of spans that MLflow has not accepted, also while it acknowledges none. For display.

        Spans are acknowledged together, once all that was taken has been sent.
        """
        waiting = self.waiting
        return min(waiting, max(1, self.queues.untaken + self._loop.pipeline.unsent_spans))

    @property
    def failing_since(self) -> float | None:
        """`time.monotonic()` since which MLflow accepts nothing, or does not answer; None if it does.

        A failing artifact store counts only when nothing else is left.
        """
        tracking = self._loop.pipeline.failing_since
        if tracking is None:
            tracking = self._loop.pipeline.unanswered_since
        return tracking if tracking is not None or self.waiting else self._loop.pipeline.artifacts_failing_since

    def flush(self, timeout: float) -> bool:
        """Wait until all queued spans have been delivered or rejected.

        Args:
            timeout: seconds.

        Returns:
            False if the timeout expired or the worker was closed.
        """
        done = self._flushed()
        return done is not None and done.wait(timeout) and not (self._state.closed and self.waiting)

    def wait_for_reports(self, timeout: float, *, exits: bool = False) -> None:
        """Wait, after a flush, for the reports on optimizations that have ended.

        Args:
            timeout: seconds, of which at most `run_reports.MAX_WAIT` are waited.
            exits: whether the process ends: those that are given up are logged.
        """
        self._loop.reports.wait(timeout, exits=exits)

    def _flushed(self, *, end_runs: bool = False) -> threading.Event | None:
        """Return the event that is set once all queued spans are delivered; None if no thread can be started."""
        with self._state.ready:
            if not self._state.closed and not self._threads and self.waiting:
                self._start()
                if not self._threads:
                    return None
            if self._state.closed or not self._threads:
                done = threading.Event()
                done.set()
                return done
            # Runs that began before a fork are ended by the parent.
            done = self._flushes.add(end_runs=end_runs and not self._forked)
            self._state.ready.notify()
        return done

    def drain(self, deadline: DrainTimeout, *, end_runs: bool = False) -> bool:
        """Wait until the queues are delivered, within the deadlines of `deadline`; the rest stays in the spool.

        Args:
            deadline: the deadlines.
            end_runs: nothing can end them any more: end open runs as KILLED, and open traces as ERROR.

        Returns:
            False if spans are left.
        """
        done = self._flushed(end_runs=end_runs)
        delivered = done is not None and deadline.wait(done, self)
        if not delivered:
            self.queues.persist(0)
        elif self._forked:
            # The enclosing trace ends in the parent process: nothing to wait for.
            self.queues.release(keep=False)
        return delivered

    def close(self, deadline: DrainTimeout, *, end_runs: bool = False, exits: bool = True) -> bool:
        """Drain, reject further spans and end the threads; warn which spool files are left.

        A call during another one waits for it.

        Args:
            deadline: see `drain`.
            end_runs: see `drain`.
            exits: whether the process ends; otherwise the reason of what is ended is that the provider was shut down.

        Returns:
            False if spans are left.
        """
        with self._closing:
            self._state.exits = exits
            return self._state.closed or self._close(deadline, end_runs=end_runs)

    def _close(self, deadline: DrainTimeout, *, end_runs: bool) -> bool:
        delivered = self.drain(deadline, end_runs=end_runs)
        if delivered:
            self.wait_for_reports(deadline.timeout, exits=self._state.exits)
        with self._state.ready:
            self._state.closed = True
            if self._drop_policy.has_open_trace:
                left_off.set()
            self._state.ready.notify()
        self._state.stop.set()
        self.queues.spool_now.set()
        for thread in self._threads:
            thread.join(JOIN)
        self._flushes.give_up()
        left, unfinished = self.waiting, self._loop.pipeline.artifacts_waiting
        if left or unfinished:
            self.queues.persist(0)
        if unfinished:
            self._loop.kept += unfinished
            self.queues.control.keep()
        self._loop.failed_spans += self.queues.unwritten
        undelivered = Undelivered(
            spans=left,
            unwritten=self.queues.unwritten,
            operations=self._loop.kept,
            rejected=self._loop.pipeline.lost,
            dropped_traces=self._drop_policy.dropped_traces,
            dropped_spans=self._drop_policy.dropped_spans,
            paths=self.queues.paths(left=left > 0),
        )
        self.queues.release(keep=left > 0)
        undelivered.log()
        return delivered and not undelivered.paths

    def start(self) -> None:
        """Start the threads if they are not running. Idempotent and thread-safe.

        Called at span start, because a deferred end may be queued only during interpreter shutdown, when CPython 3.12.0
        and 3.12.1 start no threads. Not called at construction: a pre-forking server would then fork with threads.
        """
        if not self._started:
            with self._state.ready:
                self._start()

    def _start(self) -> None:
        if self._started or self._state.closed:
            return
        targets = (("otel-dspy-mlflow", self._loop.run), ("otel-dspy-spool", self._keep))
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
        while not self._state.closed:
            self.queues.spool_now.wait(SPOOL_EVERY)
            self.queues.spool_now.clear()
            if not self._state.closed:
                with self._gate:
                    self.queues.persist(SPOOL_AFTER)


def _has_forked(worker: weakref.ref[Worker]) -> None:
    found = worker()
    if found is not None:
        # The child may continue a compile that is in progress here, and log it first.
        found._loop.pipeline.look_up_runs()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the class' own hook


def _after_fork(worker: weakref.ref[Worker]) -> None:
    found = worker()
    if found is not None:
        found.queues.abandon()
        found._reset(forked=True)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the same
