"""Sends spans and trace infos in batches."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.requests.concurrent_requests import ConcurrentRequests
from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome
from otel_dspy.mlflow.tracking.store import capabilities
from otel_dspy.mlflow.tracking.store.local_writes import MOST_SPANS, LocalRequests
from otel_dspy.mlflow.tracking.store.traces import trace_sums
from otel_dspy.mlflow.tracking.traces.shared_traces import SharedTraces
from otel_dspy.mlflow.tracking.traces.split_span_batch import send_trace
from otel_dspy.mlflow.tracking.traces.trace_batches import POSTPONED, TraceBatch
from otel_dspy.mlflow.tracking.traces.trace_requests import TraceRequest, at_once, distinct, whole
from otel_dspy.tracking_uri import is_server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.mapping.trace_operations import LogSpan, LogTrace, TagTrace
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
        self._sums: dict[str, Mapping[str, str]] = {}
        """Sums that were sent to a server with infos of traces without spans, and of spans sent after them."""
        self._oldest: float | None = None
        self._postpone = False
        self._shared = SharedTraces(writer, self._write_sums)
        where = writer.connection.destination
        self._together: ConcurrentRequests | LocalRequests = (
            ConcurrentRequests(
                where.tracking_uri, where.workspace, self._is_stopped, awaited=writer.attempts.retrier.awaited
            )
            if is_server(where.tracking_uri)
            else LocalRequests(where.tracking_uri, where.workspace, self._is_stopped, writer.connection.store)
        )

    @property
    def waits(self) -> bool:
        """Whether spans or infos have not been sent."""
        return not self._batch.empty

    def add_span(self, span: LogSpan) -> None:
        """Queue a span."""
        self._sums.pop(span.trace_id, None)
        self._batch.add_span(span)
        self._linger()

    def add_info(self, info: LogTrace) -> None:
        """Queue a trace info."""
        self._sums.pop(info.trace_id, None)
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

        The last requests of a batch overlap with no others.
        """
        return self._together.overlaps and self._flushing()

    def send_all(self) -> None:
        """Send the batch, whatever else is queued."""
        self._send(postpone=False)
        self._correct_shared_sums()

    def _send(self, *, postpone: bool = True) -> None:
        """Send the batch.

        Args:
            postpone: begin no further request while more urgent operations are queued; the next call continues.
        """
        self._postpone = postpone
        if not self._is_postponed():
            self._find_runs()
        waiting = self._requests()
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
        if not self._takes_single_requests():
            return
        starts: dict[RunKey, int] = {}
        for info in self._batch.infos.values():
            if info.run:
                starts.setdefault(info.run, info.start_ms)
        runs = self._writer.runs
        for run, start_ms in starts.items():
            if runs.remembered(run) is None and self._takes_single_requests():
                # If it fails, the infos are sent with retries, which count the failure.
                self._writer.attempts.retrier.run("a run", partial(runs.handle, run, start_ms))

    def _requests(self) -> list[TraceRequest]:
        """Return the batch's requests; those of one trace have to be sent in this order.

        MLflow sums a trace's tokens and costs until it has the trace info, so traces in progress get theirs last. For a
        new trace the order makes no difference to the sums, and sending the info first costs MLflow half as much. Infos
        that are sent on their own come first, so that the others are sent together.
        """
        new, begun = self._batch.new_and_begun()
        spans_of: dict[str, list[LogSpan]] = {}
        if capabilities.SUMS_IN_INFOS and (self._writer.shared or not self._together.overlaps):
            for span in self._batch.spans:
                spans_of.setdefault(span.trace_id, []).append(span)
        infos = {info.trace_id: self._info_request(info, spans_of.get(info.trace_id, ())) for info in new}
        found = [infos.pop(info.trace_id) for info in new if not self._joins_others(info)]
        for spans in self._batch.requests(None if self._together.overlaps else MOST_SPANS):
            traces = {span.trace_id: None for span in spans}
            found += [infos.pop(trace_id) for trace_id in traces if trace_id in infos]
            found.append(
                TraceRequest(
                    traces=frozenset(traces),
                    spans=spans,
                    once=lambda spans=spans: self._spans_once(spans),
                    send=lambda spans=spans: self._send_spans(spans),
                    sent=lambda spans=spans: self._batch.spans_sent(spans),
                    of_info=False,
                )
            )
        tags = (self._tag_request(trace_id, tags) for trace_id, tags in self._batch.tags.items())
        return [*found, *infos.values(), *map(self._info_request, begun), *tags]

    def _tag_request(self, trace_id: str, tags: Mapping[str, str]) -> TraceRequest:
        def write() -> None:
            self._writer.connection.store().traces.set_tags(trace_id, tags)

        def send() -> None:
            self._writer.attempts.run("a trace's tags", write)
            self._batch.tags_sent(trace_id)

        return TraceRequest(
            traces=frozenset({trace_id}),
            once=lambda: write if self._takes_single_requests() else None,
            send=send,
            sent=lambda: self._batch.tags_sent(trace_id),
            of_info=False,
        )

    def _info_request(self, info: LogTrace, spans: Sequence[LogSpan] = ()) -> TraceRequest:
        return TraceRequest(
            traces=frozenset({info.trace_id}),
            once=lambda: self._info_once(info, spans),
            send=lambda: self._send_info(info),
            sent=lambda: self._batch.info_sent(info),
            of_info=True,
        )

    def _send_next(self, waiting: list[TraceRequest]) -> list[TraceRequest]:
        """Send as many requests at the same time as possible, then, with retries, what MLflow did not accept.

        Returns:
            The requests that were not sent.
        """
        requests = at_once(waiting)
        if not requests:
            waiting[0].send()
            return waiting[1:]
        answers = list(zip(waiting[: len(requests)], self._together.send(requests), strict=True))
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

    def _takes_single_requests(self) -> bool:
        """Whether requests can be sent without retries: not while MLflow fails."""
        retrier = self._writer.attempts.retrier
        return self._writer.connection.opened and retrier.failing_since is None and not retrier.stopped

    def _joins_others(self, info: LogTrace) -> bool:
        """Whether an info may be sent at the same time as others, or in a transaction with them.

        A local store cannot have an info that exists in a transaction with others.
        """
        possible = self._together.overlaps or self._batch.is_new(info)
        return possible and self._writer.metadata_alone(info) is not None

    def _info_once(self, info: LogTrace, spans: Sequence[LogSpan]) -> Callable[[], None] | None:
        """Return what writes the info, with the sums of the spans if they are written next."""
        writer = self._writer
        if not (self._joins_others(info) and self._takes_single_requests()):
            return None
        run = writer.runs.remembered(info.run) if info.run else None
        if info.run and run is None:
            return None
        sums = trace_sums.sums_of(distinct(spans)) if self._batch.is_new(info) else trace_sums.NewSums()
        metadata = {**sums.metadata, **(writer.metadata_alone(info) or {})}
        store, experiment_id = writer.connection.store(), writer.connection.experiment_id()

        def write() -> None:
            without_spans = store.traces.start_trace(experiment_id, info, run.run_id if run else None, metadata)
            if sums.whole and without_spans and writer.shared and self._together.overlaps:
                self._sums[info.trace_id] = sums.metadata

        return write

    def _spans_once(self, spans: list[LogSpan]) -> Callable[[], None] | None:
        if not self._takes_single_requests():
            return None
        connection = self._writer.connection
        store, experiment_id = connection.store(), connection.experiment_id()
        return lambda: store.traces.log_spans(experiment_id, distinct(spans))

    def _send_info(self, info: LogTrace) -> None:
        self._sums.pop(info.trace_id, None)
        self._writer.attempts.run("a trace", lambda: self._writer.write_info(info, self._write_info))
        self._batch.info_sent(info)

    def _send_sums(self, info: LogTrace) -> None:
        def correct() -> None:
            for sums in self._writer.connection.store().traces.corrected_sums([info.trace_id]).values():
                self._write_sums(info, sums)

        self._writer.attempts.run("a trace's sums", correct)
        self._batch.sums_sent(info)

    def _correct_shared_sums(self) -> None:
        written, sums = self._batch.written(), self._sums
        self._sums = {}
        if self._writer.shared:
            self._shared.correct(written, sums)

    def _write_sums(self, info: LogTrace, sums: Mapping[str, str]) -> None:
        self._writer.write_info(info, lambda info, more: self._write_info(info, {**sums, **more}))

    def _write_info(self, info: LogTrace, metadata: Mapping[str, str]) -> None:
        run_id = self._writer.runs.handle(info.run, info.start_ms).run_id if info.run else None
        connection = self._writer.connection
        connection.store().traces.start_trace(connection.experiment_id(), info, run_id, metadata)

    def _send_spans(self, spans: list[LogSpan]) -> None:
        for span in spans:
            self._sums.pop(span.trace_id, None)
        self._send_distinct(distinct(spans))
        self._batch.spans_sent(spans)

    def _send_distinct(self, spans: list[LogSpan]) -> None:
        traces: dict[str, list[LogSpan]] = {}
        for span in spans:
            traces.setdefault(span.trace_id, []).append(span)

        def send(chosen: list[LogSpan]) -> None:
            connection = self._writer.connection
            connection.store().traces.log_spans(connection.experiment_id(), chosen)

        attempts = self._writer.attempts
        if len(traces) > 1 and attempts.retrier.run("spans", lambda: send(spans)).outcome is Outcome.DONE:
            attempts.count(Outcome.DONE)
            return
        for chosen in traces.values():
            for outcome in send_trace(attempts.retrier, chosen, send):
                attempts.count(outcome)
