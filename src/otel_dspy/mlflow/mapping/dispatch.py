"""Mapping of records to operations: a pure function, independent of how the spans were received."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.mapping.compile_aggregator import EndedCompile
from otel_dspy.mlflow.mapping.compiles import (
    compile_operations,
    setup_operations,
    stopped_operations,
    summary_operations,
)
from otel_dspy.mlflow.mapping.datasets import dataset_operations
from otel_dspy.mlflow.mapping.evaluations import evaluate_operations
from otel_dspy.mlflow.mapping.phases import phase_operations
from otel_dspy.mlflow.mapping.traces import trace_operations
from otel_dspy.mlflow.mapping.trials import trial_operations
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
    from otel_dspy.mlflow.records.span_records import Fact


def operations(
    fact: Fact, options: Options, context: TraceContext, ended: EndedCompile | None = None
) -> Iterator[Operation]:
    """Return the MLflow operations for one span, in order.

    Args:
        fact: the span's record.
        options: the flags of `autolog`.
        context: the trace that the span is logged in.
        ended: the result of `compile_aggregator.CompileAggregator.add` for the record.
    """
    match fact:
        case SetupRecord():
            yield from setup_operations(fact, options, context)
        case DatasetRecord():
            yield from dataset_operations(fact, options, context)
        case PhaseRecord():
            yield from phase_operations(fact, options)
        case TrialRecord():
            yield from trial_operations(fact, options)
            if ended is not None:
                yield from summary_operations(ended, options)
                yield from stopped_operations(ended, options)
        case EvaluateRecord():
            yield from evaluate_operations(fact, options, context)
        case CompileRecord():
            yield from compile_operations(fact, options, context, ended or EndedCompile(fact, ()))
        case _:
            pass
    yield from trace_operations(fact, options, context)
