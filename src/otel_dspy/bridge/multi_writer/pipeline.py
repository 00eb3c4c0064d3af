"""Delivery pipeline of one of several writers; spans may arrive in any order, at any writer, and across restarts.

The end of a compile needs its trials, and a trial its programs, which another writer may have received. A compile that
has ended is therefore completed from the data in MLflow, and again for each span of it that arrives later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typing_extensions import override

from otel_dspy import semconv as sc
from otel_dspy.bridge.multi_writer import parked_payloads
from otel_dspy.bridge.multi_writer.sink import MultiWriterSink
from otel_dspy.mlflow.delivery.pipeline import Pipeline
from otel_dspy.mlflow.mapping import dispatch as mapping
from otel_dspy.mlflow.mapping.compile_ledger import CompileLedger
from otel_dspy.mlflow.mapping.compiles import summary_operations
from otel_dspy.mlflow.mapping.operations import LogChanges, LogModel, LogProgram
from otel_dspy.mlflow.records import decode
from otel_dspy.mlflow.records.payload import MAX_FOREIGN_TEXT, PayloadShelf
from otel_dspy.mlflow.records.route import Options, RootKind, TraceContext
from otel_dspy.mlflow.records.span_records import CompileRecord, PayloadPiece, SetupRecord, TrialRecord

if TYPE_CHECKING:
    from collections.abc import Iterable
    from threading import Event

    from otel_dspy.mlflow.mapping.compile_ledger import EndedCompile
    from otel_dspy.mlflow.records.route import Destination, Route
    from otel_dspy.mlflow.records.span_records import SpanRecord

_OPTIONS: Final = Options()
ROUNDS: Final = 3
"""Maximum number of reads of a compile that another writer may be completing too: the last writer reads last."""


class MultiWriterPipeline(Pipeline):
    """Pipeline whose sinks look up in MLflow what this process has not received."""

    def __init__(self, stop: Event) -> None:
        super().__init__(stop, look_first=True)
        self._payloads = PayloadShelf(max_text=MAX_FOREIGN_TEXT)
        self._touched: dict[tuple[Destination, str], str] = {}
        """Compiles that received spans since `send_all`, each with its trace id."""

    def ask_again(self) -> None:
        """Retry operations that MLflow rejected, now that there are new deliveries."""
        for sink in self._sinks.values():
            if isinstance(sink, MultiWriterSink):
                sink.ask_again()

    def failures(self) -> dict[Destination, int]:
        """Return the number of failed operations by destination."""
        return {destination: sink.failed for destination, sink in self._sinks.items()}

    @override
    def _new_sink(self, destination: Destination) -> MultiWriterSink:
        return MultiWriterSink(destination, self._stop)

    @override
    def process(self, span: SpanRecord, route: Route) -> None:
        fact = decode.fact(span)
        if isinstance(fact, PayloadPiece):
            waited = parked_payloads.keep_piece(self._shared(route), fact, route)
            super().process(span, route)
            if waited is not None:
                # The span was written without this text when it arrived.
                self.process(*waited)
            return
        for attribute in self._payloads.lacks(span):
            self._fetch(span, attribute, route)
        for attribute in self._payloads.lacks(span):
            parked_payloads.keep_span(self._shared(route), span, attribute, route)
            # Another writer may have stored the last piece before the span was stored.
            self._fetch(span, attribute, route)
        super().process(span, route)
        compile_id = span.attributes.get(sc.DSPY_COMPILE_ID)
        if isinstance(fact, SetupRecord | TrialRecord | CompileRecord) and isinstance(compile_id, str):
            self._touched[route.destination, compile_id] = span.trace_id

    def _fetch(self, span: SpanRecord, attribute: str, route: Route) -> None:
        for piece in parked_payloads.pieces(self._shared(route), span, attribute, route):
            super().process(piece, route)

    def _shared(self, route: Route) -> MultiWriterSink:
        sink = self._sinks.get(route.destination)
        if not isinstance(sink, MultiWriterSink):
            sink = self._sinks[route.destination] = self._new_sink(route.destination)
        return sink

    @override
    def send_all(self) -> None:
        super().send_all()
        touched, self._touched = self._touched, {}
        for (destination, compile_id), trace_id in touched.items():
            sink = self._sinks.get(destination)
            if isinstance(sink, MultiWriterSink) and sink.ended(compile_id):
                _complete(sink, compile_id, trace_id)


def _complete(sink: MultiWriterSink, compile_id: str, trace_id: str) -> None:
    """Write the missing parts of an ended compile."""
    seen: set[str] = set()
    for _ in range(ROUNDS):
        stored = [span for span in sink.stored_spans(trace_id) if span.attributes.get(sc.DSPY_COMPILE_ID) == compile_id]
        spans = {span.span_id for span in stored}
        if spans == seen:
            return
        seen = spans
        _complete_from(sink, stored)
        sink.send_all()


def _complete_from(sink: MultiWriterSink, stored: Iterable[SpanRecord]) -> None:
    ledger, ended = CompileLedger(), None
    facts: list[SetupRecord | TrialRecord | CompileRecord] = []
    for span in stored:
        fact = decode.fact(span)
        if isinstance(fact, SetupRecord | TrialRecord | CompileRecord):
            facts.append(fact)
            ended = ledger.add(fact) or ended
    for fact in facts:
        _complete_programs(sink, fact, ended)
    if ended is not None:
        for operation in summary_operations(ended, _OPTIONS):
            sink.apply(operation)


def _complete_programs(
    sink: MultiWriterSink, fact: SetupRecord | TrialRecord | CompileRecord, ended: EndedCompile | None
) -> None:
    context = TraceContext(trace_id=fact.span.trace_id, root_id="", kind=RootKind.CALL)
    wanted = [
        operation
        for operation in mapping.operations(fact, _OPTIONS, context, ended)
        if isinstance(operation, LogProgram | LogChanges | LogModel)
    ]
    if wanted:
        there = sink.artifacts(wanted[0].run)
        for operation in wanted:
            # A model is applied again: it is found by its run, and a trial that arrived late may need its link.
            if operation.path not in there or isinstance(operation, LogModel):
                sink.apply(operation)
