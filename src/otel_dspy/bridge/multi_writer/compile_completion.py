"""Completes an ended compile from its spans in MLflow, which several writers have received."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy import semconv as sc
from otel_dspy.mlflow.mapping import dispatch as mapping
from otel_dspy.mlflow.mapping.compile_aggregator import CompileAggregator
from otel_dspy.mlflow.mapping.operations import LogChanges, LogModel, LogProgram
from otel_dspy.mlflow.mapping.runs.compiles import summary_operations
from otel_dspy.mlflow.records import decode
from otel_dspy.mlflow.records.route import Options, RootKind, TraceContext
from otel_dspy.mlflow.records.span_records import CompileRecord, PhaseRecord, SetupRecord, TrialRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_dspy.bridge.multi_writer.concurrent_writer import ConcurrentWriter
    from otel_dspy.mlflow.mapping.compile_aggregator import EndedCompile
    from otel_dspy.mlflow.records.span import SpanRecord
    from otel_dspy.mlflow.tracking.operation_applier import OperationApplier

_OPTIONS: Final = Options()
ROUNDS: Final = 3
"""Maximum number of reads of a compile that another writer may be completing too: the last writer reads last."""


def complete(applier: OperationApplier, writer: ConcurrentWriter, compile_id: str, trace_id: str) -> None:
    """Write the missing parts of an ended compile.

    Args:
        applier: applies the operations.
        writer: reads what is in MLflow.
        compile_id: id of the compile.
        trace_id: the compile's trace, 32 hex digits.
    """
    seen: set[str] = set()
    for _ in range(ROUNDS):
        spans = writer.stored_spans(trace_id)
        stored = [span for span in spans if span.attributes.get(sc.DSPY_COMPILE_ID) == compile_id]
        found = {span.span_id for span in stored}
        if found == seen:
            return
        seen = found
        _complete_from(applier, writer, stored)
        applier.send_all()


def _complete_from(applier: OperationApplier, writer: ConcurrentWriter, stored: Iterable[SpanRecord]) -> None:
    aggregator, ended = CompileAggregator(), None
    records: list[SetupRecord | TrialRecord | CompileRecord] = []
    for span in stored:
        record = decode.record_of(span)
        if isinstance(record, PhaseRecord):
            aggregator.add(record)
        elif isinstance(record, SetupRecord | TrialRecord | CompileRecord):
            records.append(record)
    # After the phases: spans come in any order, and the last record gives the summary.
    for record in records:
        ended = aggregator.add(record) or ended
    for record in records:
        _complete_programs(applier, writer, record, ended)
    if ended is not None:
        for operation in summary_operations(ended, _OPTIONS):
            applier.apply(operation)


def _complete_programs(
    applier: OperationApplier,
    writer: ConcurrentWriter,
    record: SetupRecord | TrialRecord | CompileRecord,
    ended: EndedCompile | None,
) -> None:
    context = TraceContext(trace_id=record.span.trace_id, root_id="", kind=RootKind.CALL)
    wanted = [
        operation
        for operation in mapping.operations(record, _OPTIONS, context, ended)
        if isinstance(operation, LogProgram | LogChanges | LogModel)
    ]
    if wanted:
        there = writer.artifact_names(wanted[0].run)
        for operation in wanted:
            # A model is applied again: it is found by its run, and a trial that arrived late may need its link.
            if operation.path not in there or isinstance(operation, LogModel):
                applier.apply(operation)
