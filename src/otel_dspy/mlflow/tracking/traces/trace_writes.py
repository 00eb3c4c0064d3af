"""Builds the requests of a trace batch, and writes spans, infos and tags to MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome
from otel_dspy.mlflow.tracking.store import capabilities
from otel_dspy.mlflow.tracking.store.local_writes import MOST_SPANS
from otel_dspy.mlflow.tracking.store.traces import trace_sums
from otel_dspy.mlflow.tracking.traces.split_span_batch import send_trace
from otel_dspy.mlflow.tracking.traces.trace_requests import TraceRequest, distinct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_dspy.mlflow.mapping.trace_operations import LogSpan, LogTrace
    from otel_dspy.mlflow.tracking.store.local_writes import LocalRequests
    from otel_dspy.mlflow.tracking.store.traces.trace_store import TraceStore
    from otel_dspy.mlflow.tracking.traces.batched_writes import BatchedWrites
    from otel_dspy.mlflow.tracking.traces.server_requests import ServerRequests
    from otel_dspy.mlflow.tracking.traces.trace_batches import TraceBatch
    from otel_dspy.mlflow.tracking.writers.writer_strategy import WriterStrategy


class TraceWrites:
    """Writes of one experiment's traces."""

    def __init__(self, writer: WriterStrategy, batch: TraceBatch, together: ServerRequests | LocalRequests) -> None:
        """Create the writes.

        Args:
            writer: the experiment.
            batch: what is to be written.
            together: what sends several of them.
        """
        self._writer = writer
        self._batch = batch
        self._together = together
        self._sums: dict[str, Mapping[str, str]] = {}
        """Sums that were sent to a server with infos of traces without spans, and of spans sent after them."""

    def forget_sums(self, trace_id: str) -> None:
        """Forget the sums of a trace of which more is written."""
        self._sums.pop(trace_id, None)

    def take_sums(self) -> Mapping[str, Mapping[str, str]]:
        """Return the sums that were sent since the last call, as metadata by trace id."""
        sums, self._sums = self._sums, {}
        return sums

    def requests(self) -> list[TraceRequest]:
        """Return the batch's requests; those of one trace have to be sent in this order.

        MLflow sums a trace's tokens and costs until it has the trace info, so traces in progress get theirs last. For a
        new trace the order makes no difference to the sums, and sending the info first costs MLflow half as much. Infos
        that are sent on their own come first, so that the others are sent together.
        """
        new, started = self._batch.new_and_started()
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
        return [*found, *infos.values(), *map(self._info_request, started), *tags]

    def _tag_request(self, trace_id: str, tags: Mapping[str, str]) -> TraceRequest:
        def write() -> None:
            self._writer.connection.store().traces.set_tags(trace_id, tags)

        def send() -> None:
            self._writer.attempts.run("a trace's tags", write)
            self._batch.tags_sent(trace_id)

        return TraceRequest(
            traces=frozenset({trace_id}),
            once=lambda: write if self.takes_single_requests() and self._together.batched is None else None,
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

    def takes_single_requests(self) -> bool:
        """Whether requests can be sent without retries: not while MLflow fails."""
        retrier = self._writer.attempts.retrier
        return self._writer.connection.opened and retrier.failing_since is None and not retrier.stopped

    def _joins_others(self, info: LogTrace) -> bool:
        """Whether an info may be sent with others.

        A local store cannot have an info that exists in a transaction with others.
        """
        batched = self._together.batched is not None
        possible = batched or self._together.overlaps or self._batch.is_new(info)
        return possible and self._writer.metadata_alone(info) is not None

    def _info_once(self, info: LogTrace, spans: Sequence[LogSpan]) -> Callable[[], None] | None:
        """Return what writes the info, with the sums of the spans if they are written next."""
        writer = self._writer
        if not (self._joins_others(info) and self.takes_single_requests()):
            return None
        run = writer.runs.remembered(info.run) if info.run else None
        if info.run and run is None:
            return None
        sums = trace_sums.sums_of(distinct(spans)) if self._batch.is_new(info) else trace_sums.NewSums()
        metadata = {**sums.metadata, **(writer.metadata_alone(info) or {})}
        traces, experiment_id = self._traces(), writer.connection.experiment_id()

        def write() -> None:
            without_spans = traces.start_trace(experiment_id, info, run.run_id if run else None, metadata)
            if sums.whole and without_spans and writer.shared and self._together.overlaps:
                self._sums[info.trace_id] = sums.metadata

        return write

    def _spans_once(self, spans: list[LogSpan]) -> Callable[[], None] | None:
        if not self.takes_single_requests():
            return None
        traces, experiment_id = self._traces(), self._writer.connection.experiment_id()
        return lambda: traces.log_spans(experiment_id, distinct(spans))

    def _traces(self) -> BatchedWrites | TraceStore:
        return self._together.batched or self._writer.connection.store().traces

    def _send_info(self, info: LogTrace) -> None:
        self.forget_sums(info.trace_id)
        self._writer.attempts.run("a trace", lambda: self._writer.write_info(info, self._write_info))
        self._batch.info_sent(info)

    def write_sums(self, info: LogTrace, sums: Mapping[str, str]) -> None:
        """Write an info with these sums."""
        self._writer.write_info(info, lambda info, more: self._write_info(info, {**sums, **more}))

    def _write_info(self, info: LogTrace, metadata: Mapping[str, str]) -> None:
        run_id = self._writer.runs.handle(info.run, info.start_ms).run_id if info.run else None
        connection = self._writer.connection
        connection.store().traces.start_trace(connection.experiment_id(), info, run_id, metadata)

    def _send_spans(self, spans: list[LogSpan]) -> None:
        for span in spans:
            self.forget_sums(span.trace_id)
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
        if len(traces) > 1:
            together = attempts.retrier.run("spans", lambda: send(spans), divisible=True)
            if together.outcome is Outcome.DONE:
                attempts.count(Outcome.DONE)
                return
        for chosen in traces.values():
            for outcome in send_trace(attempts.retrier, chosen, send):
                attempts.count(outcome)
