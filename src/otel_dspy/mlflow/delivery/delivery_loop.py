"""Loop of the delivery thread: takes spans from the queues, processes them and acknowledges them."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from otel_dspy.formatting.stop_reasons import SHUT_DOWN, TERMINATED
from otel_dspy.mlflow.delivery.cpu_throttle import CpuThrottle
from otel_dspy.mlflow.delivery.span_pipeline import SpanPipeline
from otel_dspy.mlflow.tracking.operation_applier import OperationApplier
from otel_dspy.mlflow.tracking.requests.concurrent_requests import cpu_seconds
from otel_dspy.mlflow.tracking.requests.retry import Stopped
from otel_dspy.mlflow.tracking.runs.run_reports import RunReports
from otel_dspy.mlflow.tracking.writers.exclusive_writer import ExclusiveWriter
from otel_dspy.mlflow.tracking_uri import address_without_passwords
from otel_dspy.runtime import sigterm

if TYPE_CHECKING:
    from otel_dspy.mlflow.delivery.drop_policy import DropPolicy
    from otel_dspy.mlflow.delivery.pending_flushes import PendingFlushes
    from otel_dspy.mlflow.delivery.queued_span import QueuedSpan
    from otel_dspy.mlflow.delivery.spooled_queues import SpooledQueues
    from otel_dspy.mlflow.records.route import Destination

_logger = logging.getLogger(__name__)

TICK: Final = 0.25
"""Maximum seconds that the delivery thread sleeps while a batch lingers."""


@dataclass(slots=True)
class WorkerState:
    """State that the threads of a worker share.

    Attributes:
        ready: notified when a span or a flush was added; guards both, and `closed`.
        stop: set when the deadline has passed.
        closed: whether no more spans are accepted.
        exits: whether the process ends, where open runs are to be ended.
    """

    ready: threading.Condition = field(default_factory=threading.Condition)
    stop: threading.Event = field(default_factory=threading.Event)
    closed: bool = False
    exits: bool = True


class DeliveryLoop:
    """Delivers the spans of a worker's queues until it is stopped.

    Attributes:
        pipeline: writes to MLflow.
        reports: writes the reports on optimizations.
        kept: number of failed operations whose spans are retained.
        failed_spans: number of spans that failed to process.
    """

    def __init__(
        self,
        queues: SpooledQueues,
        flushes: PendingFlushes,
        drop_policy: DropPolicy,
        state: WorkerState,
    ) -> None:
        """Create the loop; `run` runs it.

        Args:
            queues: the spans.
            flushes: the pending flushes.
            drop_policy: is informed of acknowledged control spans.
            state: the worker's state.
        """
        self._queues = queues
        self._flushes = flushes
        self._drop_policy = drop_policy
        self._state = state
        self.reports = RunReports()
        self.pipeline = SpanPipeline(self._new_applier)
        self.kept = 0
        self.failed_spans = 0

    def _new_applier(self, destination: Destination) -> OperationApplier:
        writer = ExclusiveWriter(destination, self._state.stop, own=True)
        return OperationApplier(
            writer, urgent=self._runs_wait, flushing=self._flushes.hurry.is_set, reports=self.reports
        )

    def run(self) -> None:
        """Deliver until `stop` is set; an operation in progress is then not acknowledged, so it is in the spool."""
        # Suppress tracing of delivery: with instrumented HTTP clients it would never end.
        with suppress_instrumentation():
            throttle = CpuThrottle(own=cpu_seconds)
            try:
                while not self._state.stop.is_set():
                    self._process(self._next())
                    rest = throttle.rest()
                    if rest and not self._queues.behind:
                        self._flushes.hurry.wait(rest)
            except Stopped:
                return

    def _next(self) -> QueuedSpan | None:
        record = self._queues.take()
        if record is None and (not self._flushes or self.pipeline.artifacts_waiting):
            with self._state.ready:
                if not self._state.closed:
                    self._state.ready.wait(TICK)
            record = self._queues.take()
        return record

    def _process(self, record: QueuedSpan | None) -> None:
        try:
            if record is not None:
                self.pipeline.process(record.decoded(), record.route)
            self.pipeline.send_due()
            if not self.pipeline.artifacts_waiting and self.pipeline.failing_since is None:
                self.reports.start()
            if self._flushes:
                self._answer_flushes()
            elif not self.pipeline.waits:
                self.confirm()
        except Exception:
            self.failed_spans += record is not None
            _logger.exception("%s", _failure_text(record))

    def confirm(self) -> None:
        """Acknowledge all taken spans: they have been sent."""
        if self.pipeline.failed > self.kept:
            # A replay may succeed later: retain the spans of open compiles, and those just processed.
            self.kept = self.pipeline.failed
            self._queues.persist(0)
            self._queues.keep()
        with self._state.ready:
            if self._state.closed:
                return
            open_traces = self._drop_policy.control_confirmed(self._queues.control.next_waiting)
            # Artifacts are built from control spans, which stay on disk until the artifacts are written.
            self._queues.control.hold = open_traces or self.pipeline.artifacts_waiting > 0
        self._queues.confirm()

    def _answer_flushes(self) -> None:
        for flush in self._flushes.run_ends_due():
            self._end_open_runs()
            flush.runs_ended = True
        reached = self._flushes.reached()
        if reached:
            self.pipeline.send_all()
            if any(flush.end_runs for flush in reached):
                self._end_open_runs()  # the traces of examples create the run of a trial that no control span names yet
            self.pipeline.end_interrupted_traces()
            if any(flush.end_runs for flush in reached):
                self.pipeline.end_open_traces(self._reason("trace"))
        if not self.pipeline.waits:
            self.confirm()
        for flush in reached:
            if self.pipeline.artifacts_waiting:
                flush.end_runs = False  # done; only artifacts are left
            else:
                self._flushes.finish(flush)
        with self._state.ready:
            if not self._flushes:
                self._flushes.hurry.clear()

    def _runs_wait(self) -> bool:
        """Whether runs, params or metrics are queued.

        They are sent before traces: a process that ends may not have time for both.
        """
        return not self._queues.control.empty or self._flushes.runs_to_end

    def _end_open_runs(self) -> None:
        self.pipeline.end_open_runs(time.time_ns() // 1_000_000, self._reason("run"))

    def _reason(self, what: str) -> str:
        """Return why the end of a run or a trace was not recorded."""
        terminated = sigterm.received()
        ending = f"process {os.getpid()} {TERMINATED if terminated else 'exited'}"
        if not terminated and not self._state.exits:
            ending = SHUT_DOWN
        return f"{ending} before it recorded the end of the {what}"


def _failure_text(record: QueuedSpan | None) -> str:
    """Return where an error of otel-dspy occurred and what is lost; failures of MLflow are retried instead."""
    failed = "Delivery to MLflow failed at one step and goes on."
    if record is not None:
        uri = address_without_passwords(record.route.destination.tracking_uri)
        failed = f"A span could not be delivered to MLflow at {uri}: it is lost, the others are delivered."
    return f"{failed} This is an error of otel-dspy: report it with this traceback."
