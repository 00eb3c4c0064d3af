"""Mapping of records to operations: a pure function, independent of how the spans were received."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.mapping.compile_aggregator import EndedCompile
from otel_dspy.mlflow.mapping.runs.compiles import (
    compile_operations,
    setup_operations,
    stopped_operations,
    summary_operations,
)
from otel_dspy.mlflow.mapping.runs.datasets import dataset_operations
from otel_dspy.mlflow.mapping.runs.evaluations import evaluate_operations
from otel_dspy.mlflow.mapping.runs.phases import phase_operations
from otel_dspy.mlflow.mapping.runs.trials import trial_operations
from otel_dspy.mlflow.mapping.traces.traces import trace_operations
from otel_dspy.mlflow.records.span_records import (
    CompileRecord,
    DatasetRecord,
    EvaluateRecord,
    PhaseRecord,
    SetupRecord,
    TrialRecord,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.mlflow.mapping.operations import Operation
    from otel_dspy.mlflow.records.route import Options, TraceContext
    from otel_dspy.mlflow.records.span_records import Record


def operations(
    record: Record, options: Options, context: TraceContext, ended: EndedCompile | None = None
) -> Iterator[Operation]:
    """Return the MLflow operations for one span, in order.

    Args:
        record: the span's record.
        options: the flags of `autolog`.
        context: the trace that the span is logged in.
        ended: the result of `compile_aggregator.CompileAggregator.add` for the record.
    """
    match record:
        case SetupRecord():
            yield from setup_operations(record, options, context)
        case DatasetRecord():
            yield from dataset_operations(record, options, context)
        case PhaseRecord():
            yield from phase_operations(record, options)
        case TrialRecord():
            yield from trial_operations(record, options)
            if ended is not None:
                yield from summary_operations(ended, options)
                yield from stopped_operations(ended, options)
        case EvaluateRecord():
            yield from evaluate_operations(record, options, context)
        case CompileRecord():
            yield from compile_operations(record, options, context, ended or EndedCompile(record, ()))
        case _:
            pass
    yield from trace_operations(record, options, context)
