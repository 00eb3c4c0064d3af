"""Assessments of a trace: the scores of an example."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

from otel_dspy.mlflow.mapping import naming
from otel_dspy.mlflow.mapping.trace_operations import Assessment, AssessmentFailure
from otel_dspy.mlflow.records.span_records import (
    ExampleRecord,
)

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.route import TraceContext
    from otel_dspy.mlflow.records.span_records import Record


def assessments(record: Record, context: TraceContext) -> tuple[Assessment, ...]:
    """Return the score of an example, or the error instead of one, and its objectives; empty for other spans."""
    if not isinstance(record, ExampleRecord):
        return ()
    error = None
    if record.error_type is not None and record.metric is not None and not record.repeated:
        error = AssessmentFailure(record.error_type, record.error_message)
    name = record.metric or "score"
    found = [] if record.score is None and error is None else [_assessment(record, context, name, record.score, error)]
    found += [
        _assessment(record, context, f"{name}/{objective}"[: naming.MAX_KEY], value)
        for objective, value in record.objectives.items()
    ]
    return tuple(found)


def _assessment(
    record: ExampleRecord, context: TraceContext, name: str, value: float | None, error: AssessmentFailure | None = None
) -> Assessment:
    # Derived from the span's identity, so that logging it twice is idempotent.
    digest = hashlib.sha256(f"{context.trace_id}/{record.span.span_id}/{name}".encode()).hexdigest()
    return Assessment(
        assessment_id=f"a-{digest[:32]}",
        name=name,
        # A server rejects a whole request that contains a number that JSON does not support.
        value=value if value is None or math.isfinite(value) else str(value),
        error=error,
        rationale=record.feedback,
        span_id=None if record.span.span_id == context.root_id else record.span.span_id,
        time_ms=record.span.end_ms,
    )
