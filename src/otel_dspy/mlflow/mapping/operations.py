"""MLflow operations as plain data, on runs that `run_keys` identifies; those on traces are in `trace_operations`.

Every operation has a `key`: applying two operations with the same key equals applying one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from otel_dspy.mlflow.mapping.trace_operations import LogSpan, LogTrace, TagTrace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_dspy.mlflow.mapping.run_keys import CompileRun, RunKey, UserRun

RunStatus = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureRun:
    """Create the run, or complete its placeholder."""

    key: str
    run: RunKey
    name: str
    start_ms: int
    parent: RunKey | None
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogParams:
    """Log parameters; one that conflicts with a logged value is rejected alone."""

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
    """Log metric values and, in the same request, tags."""

    key: str
    run: RunKey
    metrics: tuple[MetricPoint, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvaluation:
    """Log the metrics of one of several evaluations in a user's run."""

    key: str
    run: UserRun
    evaluation: str
    """Span id of the evaluation."""
    results: Mapping[str, float]
    """Metrics of this evaluation only, such as its score."""
    used: Mapping[str, float]
    """Metrics that are summed over the evaluations of the run, such as tokens."""
    time_ms: int
    """End of the evaluation, milliseconds since the epoch."""
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogText:
    """Log a text artifact."""

    key: str
    run: RunKey
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class TableImage:
    """An image as a table's cell, kept as a file beside the table.

    Attributes:
        name: the file's name, derived from its content.
        content: the file.
    """

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTable:
    """Log a table artifact that the UI shows as one, and the images in it. A second one gets its own path."""

    key: str
    run: RunKey
    path: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    """JSON-compatible cells, or images, of which a column has either none or no other cells."""
    start_ms: int
    """Start of the run, for its creation: MLflow cannot change it later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProgram:
    """Log a program's state as an artifact; if `state` is None, the one that the compile sent earlier for the id."""

    key: str
    run: RunKey
    scope: str
    """Scope of the program id: the compile's id, or the evaluation's span id."""
    program_id: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChanges:
    """Log the differences between a program and its ancestors as a text artifact, once all states are received."""

    key: str
    run: RunKey
    scope: str
    program_id: str
    parent_ids: tuple[str, ...]
    path: str
    title: str
    """Heading of the text: what the program is, and its score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogDataset:
    """Log a dataset input."""

    key: str
    run: RunKey
    name: str
    digest: str
    role: str
    fields: tuple[str, ...]
    size: int | None
    start_ms: int
    """Start of the run, for its creation."""


@dataclass(frozen=True, slots=True)
class EvaluationRecord:
    """One example of an evaluation dataset; JSON-compatible values by field."""

    inputs: Mapping[str, object]
    expectations: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvaluationDataset:
    """Log an evaluation dataset in the experiment, unless one of the same content exists."""

    key: str
    name: str
    """Ends in a space and `dataset_id`."""
    dataset_id: str
    """Digest of the rows."""
    records: Sequence[EvaluationRecord] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogModel:
    """Log a LoggedModel with the program, linked to the run and to `also` if that run exists."""

    key: str
    run: RunKey
    also: RunKey | None
    name: str
    scope: str
    program_id: str
    path: str
    tags: Mapping[str, str]
    score: MetricPoint | None = None
    """Score of the program, which is a metric of the run too: MLflow ranks models by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRun:
    """End the run."""

    key: str
    run: RunKey
    status: RunStatus
    end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """Log the report on the ended compile, once everything else of its run is logged."""

    key: str
    run: RunKey
    description: str | None = None
    """First line of the run's description until then, in Markdown; None to leave the one that it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeRunning:
    """Describe the run of a compile that is in progress: its phase, its trials so far."""

    key: str
    run: CompileRun


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeStopped:
    """Describe the run of a compile that was stopped and has ended as KILLED."""

    key: str
    run: CompileRun


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepProgram:
    """Cache a program's state for the operations that reference its id."""

    key: str
    scope: str
    program_id: str
    state: str
    initial: bool = False
    """Whether it is the compile's initial program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetPrograms:
    """End the scope: few further operations reference it, if any."""

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
    | LogEvaluationDataset
    | LogModel
    | EndRun
    | LogReport
    | DescribeRunning
    | DescribeStopped
    | LogTrace
    | TagTrace
    | LogSpan
    | KeepProgram
    | ForgetPrograms
)
