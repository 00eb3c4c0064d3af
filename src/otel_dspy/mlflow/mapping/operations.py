"""What MLflow is told, as plain data: typed operations on runs that are known by name, not yet by id.

Every operation has a `key`: applying two of the same key is the same as applying one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_dspy.mlflow.records.route import UserEvent
    from otel_dspy.mlflow.records.span_records import SpanRecord

RunStatus = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True, slots=True)
class CompileRun:
    """The run of one compile."""

    compile_id: str


@dataclass(frozen=True, slots=True)
class TrialRun:
    """The run of one trial; below its compile's run if that is recorded."""

    compile_id: str
    index: int
    parent: CompileRun | None


@dataclass(frozen=True, slots=True)
class EvaluateRun:
    """The run of a stand-alone evaluation."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class UserRun:
    """A run that the user opened; never ended by us."""

    run_id: str


RunKey = CompileRun | TrialRun | EvaluateRun | UserRun


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureRun:
    """Create the run, or complete the one that was created for it before its facts were known."""

    key: str
    run: RunKey
    name: str
    start_ms: int
    parent: RunKey | None
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogParams:
    """Parameters; one that conflicts with a logged one loses, alone."""

    key: str
    run: RunKey
    params: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """One value of a metric; time in milliseconds since the epoch."""

    name: str
    value: float
    step: int
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogMetrics:
    """Metric values and, in the same request, tags."""

    key: str
    run: RunKey
    metrics: tuple[MetricPoint, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvaluation:
    """The metrics of one of several evaluations in a run of the user's."""

    key: str
    run: UserRun
    evaluation: str
    """Id of its span."""
    results: Mapping[str, float]
    """Metrics of this evaluation alone, such as its score."""
    used: Mapping[str, float]
    """Metrics that are added up over the evaluations of the run, such as tokens."""
    time_ms: int
    """Its end, milliseconds since the epoch."""
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogText:
    """A text artifact."""

    key: str
    run: RunKey
    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTable:
    """A table artifact that the UI shows as one. A second table of the same path gets a path of its own."""

    key: str
    run: RunKey
    path: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    start_ms: int
    """When the run began, should this be the first that is heard of it: MLflow's runs cannot be told that later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProgram:
    """A program's state as an artifact; where `state` is None it is the one that the compile sent for the id before."""

    key: str
    run: RunKey
    scope: str
    """Within what the id is known: the compile's id, or the evaluation's span id."""
    program_id: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChanges:
    """What differs between a program and its forebears, as a text artifact, as soon as their states are all known."""

    key: str
    run: RunKey
    scope: str
    program_id: str
    parent_ids: tuple[str, ...]
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogDataset:
    """A dataset input."""

    key: str
    run: RunKey
    name: str
    digest: str
    role: str
    fields: tuple[str, ...]
    size: int | None
    start_ms: int
    """When the run began, should this be the first that is heard of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogModel:
    """A LoggedModel that holds the program, linked to the run and to `also` if that run exists."""

    key: str
    run: RunKey
    also: RunKey | None
    name: str
    scope: str
    program_id: str
    path: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRun:
    """The run's end."""

    key: str
    run: RunKey
    status: RunStatus
    end_ms: int


@dataclass(frozen=True, slots=True)
class AssessmentFailure:
    """Why an assessment could not be made."""

    type: str
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """A score on a trace, or on one of its spans."""

    assessment_id: str
    name: str
    value: float | str | None
    """A number; `nan`, `inf` or `-inf` as text; None where the metric gave none."""
    error: AssessmentFailure | None = None
    """What the program or the metric raised."""
    rationale: str | None
    span_id: str | None
    time_ms: int


TraceState = Literal["OK", "ERROR", "IN_PROGRESS"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTrace:
    """What stands on a trace beside its spans. Told again, what is new is added and what is None stays as it was."""

    key: str
    trace_id: str
    run: RunKey | None
    start_ms: int
    root_id: str | None = None
    """The root, of whoever tells how the trace ended; where processes share a trace, each has one."""
    remote: bool = False
    """The root has a parent in another process."""
    early: bool = False
    """With the end: the trace's info may have been written long before its spans."""
    name: str | None = None
    state: TraceState | None = None
    duration_ms: int | None = None
    request: str | None = None
    response: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    client_request_id: str | None = None
    assessments: tuple[Assessment, ...] = ()
    users_assessments: tuple[str, ...] = ()
    """MLflow's dictionaries of those that the program logged itself, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSpan:
    """A span of a trace, its attributes as MLflow reads them (values not encoded)."""

    key: str
    trace_id: str
    span: SpanRecord
    parent_id: str | None
    attributes: Mapping[str, object]
    events: tuple[UserEvent, ...] = ()
    unpriced_model: str | None = None
    """The language model that was called at an unknown price: MLflow must not put one of its own on the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepProgram:
    """A program's state, for the operations that name its id."""

    key: str
    scope: str
    program_id: str
    state: str
    initial: bool = False
    """It is the program that the compile was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetPrograms:
    """The scope has ended: few operations of it may still come, if any."""

    key: str
    scope: str


Operation = (
    EnsureRun
    | LogParams
    | LogMetrics
    | LogEvaluation
    | LogText
    | LogTable
    | LogProgram
    | LogChanges
    | LogDataset
    | LogModel
    | EndRun
    | LogTrace
    | LogSpan
    | KeepProgram
    | ForgetPrograms
)
