"""Operations on traces as plain data: the trace's info, scores and labels on it, its spans."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.records.route import UserEvent
    from otel_dspy.mlflow.records.span import SpanRecord


@dataclass(frozen=True, slots=True)
class AssessmentFailure:
    """The error of an assessment that could not be made."""

    type: str
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """A score on a trace or on one of its spans."""

    assessment_id: str
    name: str
    value: float | str | None
    """A number; `nan`, `inf` or `-inf` as text; None if the metric returned none."""
    error: AssessmentFailure | None = None
    """The error that the program or the metric raised."""
    rationale: str | None
    span_id: str | None
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A label of the example that a trace is of."""

    assessment_id: str
    name: str
    value: object
    """JSON-compatible, not None; numbers are finite."""
    time_ms: int


TraceState = Literal["OK", "ERROR", "IN_PROGRESS"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTrace:
    """Log a trace's info. A repeated one adds new values; None leaves a value unchanged."""

    key: str
    trace_id: str
    run: RunKey | None
    start_ms: int
    root_id: str | None = None
    """The root of the process that recorded the trace's end; processes that share a trace have a root each."""
    remote: bool = False
    """The root has a parent in another process."""
    early: bool = False
    """Set with the end: the trace's info may have been written long before its spans."""
    name: str | None = None
    state: TraceState | None = None
    duration_ms: int | None = None
    request: str | None = None
    response: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    client_request_id: str | None = None
    assessments: tuple[Assessment, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    users_assessments: tuple[str, ...] = ()
    """Assessments that the program logged itself: MLflow's dictionaries as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagTrace:
    """Set tags of a trace whose info was logged before."""

    key: str
    trace_id: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSpan:
    """Log a span of a trace, with attributes as MLflow reads them (values not encoded)."""

    key: str
    trace_id: str
    span: SpanRecord
    parent_id: str | None
    attributes: Mapping[str, object]
    events: tuple[UserEvent, ...] = ()
    cost: float | None = None
    """Cost of a language model call in USD, if known; MLflow's price list may have its parts."""
    unpriced_model: str | None = None
    """The language model that was called at an unknown price: MLflow must not apply its own price to the call."""
