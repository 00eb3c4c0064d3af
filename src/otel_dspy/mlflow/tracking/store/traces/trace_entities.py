"""MLflow 3's entities for a trace's info with assessments, and for models."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from mlflow.entities import (
    Assessment,
    AssessmentError,
    AssessmentSource,
    Expectation,
    Feedback,
    LoggedModelOutput,
    LoggedModelStatus,
    LoggedModelTag,
    TraceInfo,
    TraceLocation,
    TraceState,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.mlflow.mapping.trace_operations import Assessment as Score
    from otel_dspy.mlflow.mapping.trace_operations import Expectation as Label
    from otel_dspy.mlflow.mapping.trace_operations import LogTrace

READY = LoggedModelStatus.READY


def model_tags(tags: Mapping[str, str]) -> list[LoggedModelTag]:
    """Return a model's tags."""
    return [LoggedModelTag(key, value) for key, value in tags.items()]


def model_output(model_id: str) -> LoggedModelOutput:
    """Return a model as a run output."""
    return LoggedModelOutput(model_id, 0)


def interrupted(trace: TraceInfo, tags: Mapping[str, str], metadata: Mapping[str, str]) -> TraceInfo:
    """Return the info of a trace that no process will end, with more tags and metadata.

    Args:
        trace: the info as logged.
        tags: tags to add.
        metadata: metadata to add.
    """
    return replace(
        trace,
        state=TraceState.ERROR,
        tags={**trace.tags, **tags},
        trace_metadata={**trace.trace_metadata, **metadata},
    )


def whole(info: TraceInfo, known: TraceInfo) -> TraceInfo:
    """Return the trace info completed with what MLflow has of the trace."""
    sent_ids = {score.assessment_id for score in info.assessments}
    return replace(
        info,
        request_preview=info.request_preview or known.request_preview,
        response_preview=info.response_preview or known.response_preview,
        trace_metadata={**known.trace_metadata, **info.trace_metadata},
        tags={**known.tags, **info.tags},
        assessments=[*info.assessments, *(score for score in known.assessments if score.assessment_id not in sent_ids)],
    )


def trace_info(experiment_id: str, trace: LogTrace, run_id: str | None, more: Mapping[str, str]) -> TraceInfo:
    """Return MLflow's trace info, with more metadata.

    Args:
        experiment_id: the experiment's id.
        trace: state, times, tags, metadata and assessments.
        run_id: the run that the trace belongs to, if any.
        more: more metadata.
    """
    metadata = (
        {"mlflow.trace_schema.version": "3"}
        | ({"mlflow.sourceRun": run_id} if run_id else {})
        | dict(trace.metadata)
        | dict(more)
    )
    return TraceInfo(
        trace_id=f"tr-{trace.trace_id}",
        trace_location=TraceLocation.from_experiment_id(experiment_id),
        request_time=trace.start_ms,
        state=TraceState(trace.state or "IN_PROGRESS"),
        request_preview=trace.request,
        response_preview=trace.response,
        execution_duration=trace.duration_ms,
        trace_metadata=metadata,
        client_request_id=trace.client_request_id,
        tags=dict(trace.tags) | ({"mlflow.traceName": trace.name} if trace.name else {}),
        assessments=[
            *(_feedback(trace, score, run_id) for score in trace.assessments),
            *(_expectation(trace, label) for label in trace.expectations),
            *(_users_assessment(trace, text) for text in trace.users_assessments),
        ],
    )


def _users_assessment(trace: LogTrace, text: str) -> Assessment:
    found = cast("Any", Assessment).from_dictionary(json.loads(text))
    found.trace_id = f"tr-{trace.trace_id}"
    if found.assessment_id is None:
        # Derived from its content, so that logging it twice is idempotent.
        found.assessment_id = f"a-{hashlib.sha256(f'{trace.trace_id}/{text}'.encode()).hexdigest()[:32]}"
    return found


def _feedback(trace: LogTrace, score: Score, run_id: str | None) -> Feedback:
    feedback = Feedback(
        name=score.name,
        value=score.value,
        error=None if score.error is None else AssessmentError(score.error.type, score.error.message),
        rationale=score.rationale,
        source=AssessmentSource(source_type="CODE", source_id=score.name),
        trace_id=f"tr-{trace.trace_id}",
        span_id=score.span_id,
        create_time_ms=score.time_ms,
        last_update_time_ms=score.time_ms,
        metadata={"mlflow.assessment.sourceRunId": run_id} if run_id else None,
    )
    feedback.assessment_id = score.assessment_id
    return feedback


def _expectation(trace: LogTrace, label: Label) -> Expectation:
    expectation = Expectation(
        name=label.name,
        value=label.value,
        source=AssessmentSource(source_type="CODE", source_id="dspy.Example"),
        trace_id=f"tr-{trace.trace_id}",
        create_time_ms=label.time_ms,
        last_update_time_ms=label.time_ms,
    )
    expectation.assessment_id = label.assessment_id
    return expectation
