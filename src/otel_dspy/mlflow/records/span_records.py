"""Typed records: one for each span kind of the contract.

Independent of OpenTelemetry's SDK and of MLflow. An absent value is None or empty, never a default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.mlflow.records.span import Attributes, AttributeValue, SpanRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Aggregated usage of LM and embedding calls; cost in USD."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    lm_calls: int | None = None
    cache_hits: int | None = None
    cost: float | None = None
    unpriced_calls: int | None = None
    embedding_calls: int | None = None
    """Calls of embedding models; None = none."""
    late_calls: int | None = None
    """Calls in this sum that ended after their enclosing span; None = none."""
    by_role: Mapping[str, Usage] = field(default_factory=dict[str, "Usage"])
    """Usage by role, for each role with calls; empty if not recorded."""
    by_model: Mapping[str, Usage] = field(default_factory=dict[str, "Usage"])
    """Usage by language model; empty if not recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """The failed examples inside a span, at least one."""

    examples: int
    every: bool
    """Whether no example succeeded."""
    first_type: str | None
    first_message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileIdentity:
    """Identity of a compile: its optimizer, program and enclosing compile."""

    compile_id: str
    parent_id: str | None = None
    """The enclosing compile."""
    parent_trial: int | None = None
    """The trial of that compile that it is a step of."""
    optimizer: str = "optimizer"
    program: str = "program"
    metric: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupRecord:
    """The inputs of a compile."""

    span: SpanRecord
    identity: CompileIdentity
    parameters: Attributes
    lm_model: str | None = None
    lm_parameters: Attributes
    forecast: Attributes = field(default_factory=dict[str, "AttributeValue"])
    """Expected usage: `lm_calls.low`, `lm_calls.high`, `cost.low`, and of one role `role.prompt.lm_calls.low`."""
    program_id: str | None = None
    program_state: str | None = None
    """JSON text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileRecord:
    """A compile's end. Scores are in `score_unit` (percent or ratio)."""

    span: SpanRecord
    identity: CompileIdentity
    parameters: Attributes
    initial_score: float | None = None
    best_score: float | None = None
    best_trial: int | None = None
    step_failed: bool | None = None
    """Whether the optimizer stopped at a failed step and returned its result so far."""
    score_unit: str | None = None
    trial_count: int | None = None
    resumed_from: str | None = None
    """Folder of a checkpoint, and the optimizer's last iteration in it."""
    resumed_iteration: int | None = None
    resumed_differences: tuple[str, ...] = ()
    program_id: str | None = None
    program_state: str | None = None
    usage: Usage
    failures: Failures | None = None
    error_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """A trial's end. Scores are in `score_unit` (percent or ratio)."""

    span: SpanRecord
    compile_id: str
    index: int
    label: str | None = None
    kind: str | None = None
    parameters: Attributes
    score: float | None = None
    score_unit: str | None = None
    scope: str | None = None
    num_examples: int | None = None
    """Number of examples that the score is of."""
    initial_score: float | None = None
    """Score of the program before optimization on the same examples, from another trial."""
    best_score: float | None = None
    is_best: bool | None = None
    state: str | None = None
    derived: bool | None = None
    program_id: str | None = None
    program_parents: tuple[str, ...] = ()
    program_state: str | None = None
    usage: Usage
    compile_usage: Usage
    failures: Failures | None = None
    error_type: str | None = None
    candidate: str | None = None
    """JSON text."""
    reason: str | None = None
    measures: Mapping[str, float] = field(default_factory=dict[str, float])
    scores: str | None = None
    """JSON text: an array of rows, as are the following."""
    pareto_front: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateRecord:
    """An evaluation's end."""

    span: SpanRecord
    program: str = "program"
    metric: str | None = None
    compile_id: str | None = None
    trial: int | None = None
    score: float | None = None
    """Percent."""
    num_errors: int | None = None
    objectives: Mapping[str, float] = field(default_factory=dict[str, float])
    """Mean by objective."""
    scope: str | None = None
    results: str | None = None
    """JSON text: an array of rows."""
    phase: str | None = None
    phase_index: int = 0
    """Index among the compile's evaluations of that phase."""
    role: str | None = None
    within_example: bool = False
    """Whether an example of another evaluation makes it; so it is nothing of its trial's."""
    dataset_id: str | None = None
    program_id: str | None = None
    program_state: str | None = None
    usage: Usage
    failures: Failures | None = None
    error_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRecord:
    """A dataset of a compile or an evaluation."""

    span: SpanRecord
    role: str
    """train, validation or evaluation."""
    dataset_id: str
    name: str
    size: int | None = None
    fields: tuple[str, ...] = ()
    input_fields: tuple[str, ...] = ()
    """The fields that are inputs; empty if no example declares its inputs."""
    rows: str | None = None
    """JSON text: an array of objects."""
    compile_id: str | None = None
    within_example: bool = False
    """Whether it is of an evaluation that an example of another one makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleRecord:
    """One example of an evaluation. `inputs`, `labels` and `prediction` are JSON texts."""

    span: SpanRecord
    program: str = "program"
    metric: str | None = None
    compile_id: str | None = None
    trial: int | None = None
    index: int | None = None
    example_id: str | None = None
    score: float | None = None
    initial_score: float | None = None
    parent_score: float | None = None
    objectives: Mapping[str, float] = field(default_factory=dict[str, float])
    inputs: str | None = None
    labels: str | None = None
    prediction: str | None = None
    feedback: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    within_example: bool = False
    """Whether its evaluation is made by an example of another one."""
    repeated: bool = False
    """Whether another run of the example counts instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRecord:
    """A named phase of a compile. Its result is JSON text: predictor index to its candidates."""

    span: SpanRecord
    compile_id: str | None
    name: str
    optimizer: str | None = None
    """Class name; None in spans of versions that did not record it."""
    instructions: str | None = None
    demos: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadPiece:
    """A piece of the JSON text of `attribute` of the span `owner_id`."""

    span: SpanRecord
    payload_id: str
    """sha256 of the whole text, hex."""
    owner_id: str
    attribute: str
    index: int
    count: int
    encoding: str
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """Any other span: a module, a language model, a tool, or a span of the user's."""

    span: SpanRecord


Record = (
    SetupRecord
    | CompileRecord
    | TrialRecord
    | EvaluateRecord
    | DatasetRecord
    | ExampleRecord
    | PhaseRecord
    | PayloadPiece
    | CallRecord
)
