"""Sends spans and trace infos in batches."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome
from otel_dspy.mlflow.tracking.store.local_writes import LocalRequests
from otel_dspy.mlflow.tracking.store.traces import trace_sums
from otel_dspy.mlflow.tracking.traces.server_requests import ServerRequests
from otel_dspy.mlflow.tracking.traces.shared_traces import SharedTraces
from otel_dspy.mlflow.tracking.traces.trace_batches import POSTPONED, TraceBatch
from otel_dspy.mlflow.tracking.traces.trace_requests import at_once, whole
from otel_dspy.mlflow.tracking.traces.trace_writes import TraceWrites
from otel_dspy.mlflow.tracking_uri import is_server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.mapping.trace_operations import LogSpan, LogTrace, TagTrace
    from otel_dspy.mlflow.tracking.traces.trace_requests import TraceRequest
    from otel_dspy.mlflow.tracking.writers.writer_strategy import WriterStrategy

LINGER: Final = 1.0
"""Linger time of a trace batch, in seconds."""


class TraceSender:
    """Traces of one experiment."""

    def __init__(self, writer: WriterStrategy, urgent: Callable[[], bool], flushing: Callable[[], bool]) -> None:
        """Create a sender.

        Args:
            writer: the experiment.
            urgent: returns whether operations are queued that should be applied before more traces are sent.
            flushing: returns whether the program waits until everything is sent.
        """
        self._writer = writer
        self._urgent = urgent
        self._flushing = flushing
        self._batch = TraceBatch()
        self._accepted: list[int] = []
        """Numbers of spans of the requests that were accepted, while others of the same call are sent."""
        self._oldest: float | None = None
        self._postpone = False
        where = writer.connection.destination
        self._together: ServerRequests | LocalRequests = (
            ServerRequests(writer.connection, self._is_stopped, self._batch.has_sent, writer.attempts.retrier.awaited)
            if is_server(where.tracking_uri)
            else LocalRequests(where.tracking_uri, where.workspace, self._is_stopped, writer.connection.store)
        )
        self._writes = TraceWrites(writer, self._batch, self._together)
        self._shared = SharedTraces(writer, self._writes.write_sums)

    @property
    def waits(self) -> bool:
        """Whether spans or infos have not been sent."""
        return not self._batch.empty

    @property
    def unsent_spans(self) -> int:
        """Number of queued spans that MLflow has not accepted, also while requests are sent. For display."""
        return max(0, len(self._batch.spans) - sum(self._accepted))

    def add_span(self, span: LogSpan) -> None:
        """Queue a span."""
        self._writes.forget_sums(span.trace_id)
        self._batch.add_span(span)
        self._linger()

    def add_info(self, info: LogTrace) -> None:
        """Queue a trace info."""
        self._writes.forget_sums(info.trace_id)
        self._batch.add_info(info)
        self._linger()

    def add_tags(self, operation: TagTrace) -> None:
        """Queue tags of a trace."""
        self._batch.add_tags(operation.trace_id, operation.tags)
        self._linger()

    def _linger(self) -> None:
        if self._oldest is None:
            self._oldest = time.monotonic()

    def send_full(self) -> None:
        """Send the batch if it is full: the more requests are sent at the same time, the more it may hold."""
        most = POSTPONED // 2
        if self._batch.holds(most if self._gathers() else min(max(1, self._together.limit // 2), most)):
            self._send()

    def send_due(self) -> None:
        """Send the batch if its linger time has passed."""
        if self._oldest is not None and time.monotonic() - self._oldest >= LINGER and not self._gathers():
            self._send()

    def _gathers(self) -> bool:
        """Whether `send_all` follows soon, and sends what it finds in less time than several batches take.

        The last requests of a batch to a server overlap with no others, and each trace batch takes a round trip.
        """
        return isinstance(self._together, ServerRequests) and self._flushing()

    def send_all(self) -> None:
        """Send the batch, even if urgent operations are queued."""
        self._send(postpone=False)
        self._correct_shared_sums()

    def _send(self, *, postpone: bool = True) -> None:
        """Send the batch.

        Args:
            postpone: begin no further request while more urgent operations are queued; the next call continues.
        """
        self._postpone = postpone
        if not self._is_postponed():
            if self._writes.takes_single_requests():
                self._together.prepare(len(self._batch.infos))
            self._find_runs()
        waiting = self._writes.requests()
        while waiting:
            if self._is_postponed():
                return
            waiting = self._send_next(waiting)
        if not self._writer.shared:  # else `_correct_shared_sums` corrects all traces
            for info in self._batch.uncounted():
                if self._is_postponed():
                    return
                self._send_sums(info)
        self._oldest = None
        if self._batch.many_written:
            self._correct_shared_sums()

    def _is_postponed(self) -> bool:
        return self._postpone and self._urgent() and not self._batch.overfull

    def _is_stopped(self) -> bool:
        return self._writer.attempts.retrier.stopped or self._is_postponed()

    def _find_runs(self) -> None:
        """Find or create the runs of the queued infos: an info that creates one cannot be sent together with others."""
        if not self._writes.takes_single_requests():
            return
        starts: dict[RunKey, int] = {}
        for info in self._batch.infos.values():
            if info.run:
                starts.setdefault(info.run, info.start_ms)
        runs = self._writer.runs
        for run, start_ms in starts.items():
            if runs.remembered(run) is None and self._writes.takes_single_requests():
                # If it fails, the infos are sent with retries, which count the failure.
                self._writer.attempts.retrier.run("a run", partial(runs.handle, run, start_ms))

    def _send_next(self, waiting: list[TraceRequest]) -> list[TraceRequest]:
        """Send as many requests at the same time as possible, then, with retries, what MLflow did not accept.

        Returns:
            The requests that were not sent.
        """
        requests = at_once(waiting, self._accepted.append)
        if not requests:
            waiting[0].send()
            return waiting[1:]
        try:
            answers = list(zip(waiting[: len(requests)], self._together.send(requests), strict=True))
        finally:
            self._accepted.clear()
        for request, accepted in answers:
            if accepted:
                self._writer.attempts.count(Outcome.DONE)
                request.sent()
        for together in self._together.transactions:
            self._record_sums(waiting[together.start : together.stop])
        for request, accepted in answers:
            if accepted is False:
                request.send()
        return [request for request, accepted in answers if accepted is None] + waiting[len(requests) :]

    def _record_sums(self, together: Sequence[TraceRequest]) -> None:
        """Record which of the traces that were written in one transaction have the sums of all their spans.

        MLflow sums the first spans that follow an info. What others write of such a trace, they write to one that has
        ended, and correct its sums.
        """
        chosen = whole(together)
        spans: dict[str, list[LogSpan]] = {}
        for request in together:
            for span in request.spans:
                spans.setdefault(span.trace_id, []).append(span)
        for trace_id in chosen:
            if trace_sums.are_plain(spans[trace_id]):
                self._batch.sums_known(trace_id)

    def _send_sums(self, info: LogTrace) -> None:
        def correct() -> None:
            for sums in self._writer.connection.store().traces.corrections.sums([info.trace_id]).values():
                self._writes.write_sums(info, sums)

        self._writer.attempts.run("a trace's sums", correct)
        self._batch.sums_sent(info)

    def _correct_shared_sums(self) -> None:
        written, sums = self._batch.written(), self._writes.take_sums()
        if self._writer.shared:
            self._shared.correct(written, sums)
