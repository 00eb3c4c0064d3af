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
    from otel_dspy.mlflow.records.span_records import Fact


def assessments(fact: Fact, context: TraceContext) -> tuple[Assessment, ...]:
    """Return the score of an example, or the error instead of one, and its objectives; empty for other spans."""
    if not isinstance(fact, ExampleRecord):
        return ()
    error = None
    if fact.error_type is not None and fact.metric is not None and not fact.repeated:
        error = AssessmentFailure(fact.error_type, fact.error_message)
    name = fact.metric or "score"
    found = [] if fact.score is None and error is None else [_assessment(fact, context, name, fact.score, error)]
    found += [
        _assessment(fact, context, f"{name}/{objective}"[: naming.MAX_KEY], value)
        for objective, value in fact.objectives.items()
    ]
    return tuple(found)


def _assessment(
    fact: ExampleRecord, context: TraceContext, name: str, value: float | None, error: AssessmentFailure | None = None
) -> Assessment:
    # Derived from the span's identity, so that logging it twice is idempotent.
    digest = hashlib.sha256(f"{context.trace_id}/{fact.span.span_id}/{name}".encode()).hexdigest()
    return Assessment(
        assessment_id=f"a-{digest[:32]}",
        name=name,
        # A server rejects a whole request that contains a number that JSON does not support.
        value=value if value is None or math.isfinite(value) else str(value),
        error=error,
        rationale=fact.feedback,
        span_id=None if fact.span.span_id == context.root_id else fact.span.span_id,
        time_ms=fact.span.end_ms,
    )
