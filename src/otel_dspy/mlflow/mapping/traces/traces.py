"""Mapping of spans to MLflow traces: sets what MLflow's UI reads, and omits large attributes that it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from otel_dspy import semconv as sc
from otel_dspy.mlflow.mapping import naming
from otel_dspy.mlflow.mapping.context import logs_traces, trace_run
from otel_dspy.mlflow.mapping.media_text import HINTS, readable
from otel_dspy.mlflow.mapping.trace_operations import LogSpan, LogTrace
from otel_dspy.mlflow.mapping.traces.control_span_inputs_outputs import control_inputs, control_outputs
from otel_dspy.mlflow.mapping.traces.expectations import expectations
from otel_dspy.mlflow.mapping.traces.score_changes import change, counted_score
from otel_dspy.mlflow.mapping.traces.trace_assessments import assessments
from otel_dspy.mlflow.mapping.traces.trace_attributes import (
    INPUTS,
    OUTPUTS,
    call_cost,
    parsed,
    span_attributes,
    unpriced_model,
)
from otel_dspy.mlflow.records.attribute_reader import AttributeReader
from otel_dspy.mlflow.records.route import RootKind, SpanUpdate, TraceUpdate
from otel_dspy.mlflow.records.span import SpanLink
from otel_dspy.mlflow.records.span_records import (
    CompileRecord,
    EvaluateRecord,
    ExampleRecord,
    PayloadPiece,
    SetupRecord,
)
from otel_dspy.serialization.json_text import readable_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.mlflow.mapping.operations import Operation
    from otel_dspy.mlflow.records.route import Options, TraceContext
    from otel_dspy.mlflow.records.span import SpanRecord
    from otel_dspy.mlflow.records.span_records import Record


def trace_operations(record: Record, options: Options, context: TraceContext) -> Iterator[Operation]:
    """Log the span in its trace and, if it describes the whole trace, the trace's info.

    Args:
        record: the decoded span or payload piece.
        options: the options of `autolog`.
        context: the trace that the span is logged in.
    """
    if isinstance(record, PayloadPiece) or not logs_traces(options, context):
        return
    span_update = context.span_update or SpanUpdate()
    span = _updated(record.span, context.span_update) if context.span_update else record.span
    root = span.span_id == context.root_id
    yield LogSpan(
        key=f"{span.span_id}/span",
        trace_id=context.trace_id,
        span=span,
        # A trace whose root has a parent never ends for MLflow, so a parent outside the trace is dropped.
        parent_id=context.parent_id or (None if root else span.parent_id),
        attributes=span_attributes(span) | {name: parsed(text) for name, text in span_update.attributes},
        events=span_update.events,
        cost=call_cost(span),
        unpriced_model=unpriced_model(span),
    )
    if context.joined:
        return
    scores = assessments(record, context)
    if root:
        update = context.update or TraceUpdate()
        yield LogTrace(
            key=f"{span.span_id}/trace",
            trace_id=context.trace_id,
            run=trace_run(options, context),
            start_ms=span.start_ms,
            root_id=span.span_id,
            remote=span.parent_id is not None,
            # A compile's trace gets its run from `setup`, an evaluation's the scores of nested examples.
            early=context.kind in {RootKind.COMPILE, RootKind.EVALUATE},
            name=_name(record),
            state=update.state or ("ERROR" if span.error else "OK"),
            # As MLflow itself computes it from the spans.
            duration_ms=max(0, span.end_ms - span.start_ms),
            request=(
                update.request
                or _users_preview("mlflow.spanInputs", span_update)
                or _preview(span, INPUTS)
                or _control_preview(control_inputs(span.attributes))
            ),
            response=(
                update.response
                or _users_preview("mlflow.spanOutputs", span_update)
                or _preview(span, OUTPUTS)
                or _control_preview(control_outputs(span.attributes))
            ),
            tags=_tags(record) | dict(update.tags),
            metadata=dict(update.metadata),
            client_request_id=update.client_request_id,
            users_assessments=update.assessments,
            assessments=scores,
            expectations=expectations(record, context.trace_id) if isinstance(record, ExampleRecord) else (),
        )
    elif scores or (isinstance(record, SetupRecord) and context.kind is RootKind.COMPILE):
        # The compile's trace gets its run and name now, hours before its root ends.
        named = isinstance(record, SetupRecord) and record.identity.compile_id == context.compile_id
        if named or scores:
            yield LogTrace(
                key=f"{span.span_id}/trace",
                trace_id=context.trace_id,
                run=trace_run(options, context),
                start_ms=span.start_ms,
                name=_name(record) if named else None,
                assessments=scores,
            )


def _updated(span: SpanRecord, update: SpanUpdate) -> SpanRecord:
    """Return the span with the status and links that the program set; an error of the call itself takes precedence."""
    if update.failed and not span.error:
        span = replace(span, error=True, message=update.message)
    return replace(span, links=(*span.links, *(SpanLink(*ids) for ids in update.links)))


def _preview(span: SpanRecord, sources: dict[str, str]) -> str | None:
    operation = str(span.attributes.get(sc.DSPY_OPERATION_NAME))
    value = span.attributes.get(sources[operation]) if operation in sources else None
    if not isinstance(value, str):
        return None
    if any(hint in value for hint in HINTS):
        value = readable_json(readable(parsed(value)), separators=(",", ":"))
    return value[: naming.MAX_PREVIEW]


def _control_preview(content: dict[str, Any] | None) -> str | None:
    return None if content is None else readable_json(content)[: naming.MAX_PREVIEW]


def _users_preview(name: str, update: SpanUpdate) -> str | None:
    text = dict(update.attributes).get(name)
    return None if text is None else text[: naming.MAX_PREVIEW]


def _name(record: Record) -> str:
    match record:
        case SetupRecord() | CompileRecord():
            return naming.compile_name(record.identity)
        case EvaluateRecord():
            return f"evaluate {record.program}"
        case ExampleRecord():
            return f"{record.program} example" + (f" {record.index}" if record.index is not None else "")
        case _:
            module = record.span.attributes.get(sc.DSPY_MODULE_TYPE)
            return str(module) if module else record.span.name


def _tags(record: Record) -> dict[str, str]:
    names = (
        sc.DSPY_COMPILE_ID, sc.DSPY_TRIAL_INDEX, sc.DSPY_EXAMPLE_INDEX, sc.DSPY_EXAMPLE_ID, sc.DSPY_PROGRAM_NAME,
        sc.DSPY_OPTIMIZER_NAME, sc.DSPY_EVALUATE_ROLE, sc.DSPY_EVALUATE_WITHIN_EXAMPLE,
    )  # fmt: skip
    read = AttributeReader(record.span)
    indexes = {name: read.integer(name) for name in (sc.DSPY_TRIAL_INDEX, sc.DSPY_EXAMPLE_INDEX)}
    return naming.tags(
        {name: record.span.attributes.get(name) for name in names}
        | {name: index for name, index in indexes.items() if index is not None}
        | (_changes(record) if isinstance(record, ExampleRecord) else {})
        | {"otel.trace_id": record.span.trace_id}
    )


def _changes(example: ExampleRecord) -> dict[str, str | None]:
    score = counted_score(example)
    return {
        naming.AGAINST_START: change(score, example.initial_score),
        naming.AGAINST_PARENT: change(score, example.parent_score),
    }
