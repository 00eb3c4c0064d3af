"""Sends spans and trace infos in batches."""

from __future__ import annotations

import time
from collections import deque
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.concurrent_requests import ConcurrentRequests
from otel_dspy.mlflow.tracking.outcome import Outcome
from otel_dspy.mlflow.tracking.shared_traces import SharedTraces
from otel_dspy.mlflow.tracking.split_on_reject import send_trace
from otel_dspy.mlflow.tracking.trace_batches import TraceBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from otel_dspy.mlflow.mapping.operations import LogSpan, LogTrace
    from otel_dspy.mlflow.tracking.writer import Writer

LINGER: Final = 1.0
"""Linger time of a trace batch, in seconds."""


class TraceSender:
    """Traces of one experiment."""

    def __init__(self, writer: Writer, urgent: Callable[[], bool]) -> None:
        """Create a sender.

        Args:
            writer: the experiment.
            urgent: returns whether operations are queued that should be applied before more traces are sent.
        """
        self._writer = writer
        self._urgent = urgent
        self._batch = TraceBatch()
        self._oldest: float | None = None
        self._postpone = False
        self._shared = SharedTraces(writer, self._write_sums)
        where = writer.connection.destination
        self._concurrent = ConcurrentRequests(
            where.tracking_uri, where.workspace, lambda: writer.attempts.retrier.stopped or self._is_postponed()
        )

    @property
    def waits(self) -> bool:
        """Whether spans or infos have not been sent."""
        return not self._batch.empty

    def add_span(self, span: LogSpan) -> None:
        """Queue a span."""
        self._batch.add_span(span)
        self._linger()

    def add_head(self, head: LogTrace) -> None:
        """Queue a trace info."""
        self._batch.add_head(head)
        self._linger()

    def _linger(self) -> None:
        if self._oldest is None:
            self._oldest = time.monotonic()

    def send_full(self) -> None:
        """Send the batch if it is full."""
        if self._batch.full:
            self._send()

    def send_due(self) -> None:
        """Send the batch if its linger time has passed."""
        if self._oldest is not None and time.monotonic() - self._oldest >= LINGER:
            self._send()

    def send_all(self) -> None:
        """Send the batch, whatever else is queued."""
        self._send(postpone=False)
        self._correct_shared_sums()

    def _send(self, *, postpone: bool = True) -> None:
        """Send the batch.

        Args:
            postpone: stop between two requests or bursts of requests, to continue with the next call, while more urgent
                operations are queued.
        """
        self._postpone = postpone
        for send in self._requests():
            if self._is_postponed():
                return
            send()
        self._oldest = None
        if self._batch.many_written:
            self._correct_shared_sums()

    def _is_postponed(self) -> bool:
        return self._postpone and self._urgent() and not self._batch.overfull

    def _requests(self) -> Iterator[Callable[[], None]]:
        new, begun = self._batch.new_and_begun()
        waiting = deque(new)
        while waiting:
            yield lambda: self._send_new_heads(waiting)
        while self._batch.spans:
            yield self._send_next_spans
        # MLflow sums a trace's tokens and costs until it has the trace info, so traces in progress get theirs last. For
        # a new trace the order makes no difference to the sums, and sending the info first costs MLflow half as much.
        for head in begun:
            yield lambda head=head: self._send_head(head)
        if not self._writer.shared:  # else `_correct_shared_sums` corrects all traces
            for head in self._batch.uncounted():
                yield lambda head=head: self._send_sums(head)

    def _send_new_heads(self, new: deque[LogTrace]) -> None:
        """Send the next infos at the same time, then again, with retries, those that MLflow did not accept."""
        some = [new.popleft() for _ in range(min(len(new), self._concurrent.burst))]
        requests = list(takewhile(lambda request: request is not None, map(self._single_request, some)))
        accepted = self._concurrent.send([request for request in requests if request is not None])
        accepted += [None] * (len(some) - len(requests))
        if not requests:
            accepted[0] = False
        for head, answer in zip(some, accepted, strict=True):
            if answer:
                self._writer.attempts.count(Outcome.DONE)
                self._batch.head_sent(head)
        new.extendleft(head for head, answer in zip(reversed(some), reversed(accepted), strict=True) if answer is None)
        for head in [head for head, answer in zip(some, accepted, strict=True) if answer is False]:
            self._send_head(head)

    def _single_request(self, head: LogTrace) -> Callable[[], None] | None:
        """Return what writes an info with one request; None while MLflow fails, or if others have to be sent before."""
        writer = self._writer
        retrier = writer.attempts.retrier
        if writer.shared or not writer.connection.opened or retrier.failing_since is not None or retrier.stopped:
            return None
        run = writer.runs.remembered(head.run) if head.run else None
        if head.run and run is None:
            return None
        store, experiment_id = writer.connection.store(), writer.connection.experiment_id()
        return lambda: store.start_trace(experiment_id, head, run.run_id if run else None)

    def _send_head(self, head: LogTrace) -> None:
        self._writer.attempts.run("a trace", lambda: self._writer.write_head(head, self._write_head))
        self._batch.head_sent(head)

    def _send_sums(self, head: LogTrace) -> None:
        def correct() -> None:
            for sums in self._writer.connection.store().corrected_sums([head.trace_id]).values():
                self._write_sums(head, sums)

        self._writer.attempts.run("a trace's sums", correct)
        self._batch.sums_sent(head)

    def _correct_shared_sums(self) -> None:
        written = self._batch.written()
        if self._writer.shared:
            self._shared.correct(written)

    def _write_sums(self, head: LogTrace, sums: Mapping[str, str]) -> None:
        self._writer.write_head(head, lambda head, more: self._write_head(head, {**sums, **more}))

    def _write_head(self, head: LogTrace, metadata: Mapping[str, str]) -> None:
        run_id = self._writer.runs.handle(head.run, head.start_ms).run_id if head.run else None
        connection = self._writer.connection
        connection.store().start_trace(connection.experiment_id(), head, run_id, metadata)

    def _send_next_spans(self) -> None:
        spans = self._batch.next_spans()
        self._send_spans(spans)
        self._batch.spans_sent(spans)

    def _send_spans(self, spans: list[LogSpan]) -> None:
        # A span that was received twice before it was sent, as after a Collector's death, is sent once: MLflow on
        # PostgreSQL rejects a whole request that contains a span twice.
        spans = list({(span.trace_id, span.span.span_id): span for span in spans}.values())
        traces: dict[str, list[LogSpan]] = {}
        for span in spans:
            traces.setdefault(span.trace_id, []).append(span)

        def send(chosen: list[LogSpan]) -> None:
            connection = self._writer.connection
            connection.store().log_spans(connection.experiment_id(), chosen)

        attempts = self._writer.attempts
        if len(traces) > 1 and attempts.retrier.run("spans", lambda: send(spans)).outcome is Outcome.DONE:
            attempts.count(Outcome.DONE)
            return
        for chosen in traces.values():
            for outcome in send_trace(attempts.retrier, chosen, send):
                attempts.count(outcome)
