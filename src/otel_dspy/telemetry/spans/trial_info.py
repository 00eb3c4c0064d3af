"""Data of a trial as its optimizer's hook reports it: kind, scope, state, parameters, score."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from otel_dspy.serialization.programs import ProgramSnapshot


class TrialKind(StrEnum):
    """`dspy.trial.kind`."""

    BASELINE = "baseline"
    CANDIDATE = "candidate"
    FULL_EVALUATION = "full_evaluation"
    MERGE = "merge"
    STEP = "step"


class Scope(StrEnum):
    """`dspy.trial.scope`, `dspy.evaluate.scope`: the whole validation set or a sample of it."""

    FULL = "full"
    MINIBATCH = "minibatch"


class TrialState(StrEnum):
    """`dspy.trial.state`: scored, abandoned by the optimizer, rejected by it, or failed with an error."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    REJECTED = "rejected"
    FAIL = "fail"


class ScoreUnit(StrEnum):
    """`dspy.trial.score.unit`: 0-100, or the raw mean of what the metric returned."""

    PERCENT = "percent"
    RATIO = "ratio"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialInfo:
    """Data of a trial as reported by the optimizer's hook.

    Attributes:
        candidate: contents of the candidate as plain data: texts, demos, rules by predictor; None = unknown.
        derived: whether the trial was inferred from an evaluation.
        reason: the optimizer's reason for rejecting the candidate or creating none.
        measures: additional numbers, by name.
        scores: rows of `dspy.trial.scores`; None = unknown.
        pareto_front: rows of `dspy.trial.pareto.front`; None = unknown.
        key: see `Entry.key`; not recorded.
        competes: whether the optimizer may return the candidate for a score on a part of the validation set; not
            recorded. Candidates with a score on all of it compete always.
    """

    kind: TrialKind = TrialKind.CANDIDATE
    label: str | None = None
    scope: Scope = Scope.FULL
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])
    parent_program_ids: Sequence[str] = ()
    candidate: object = None
    derived: bool = False
    reason: str | None = None
    measures: Mapping[str, float] = field(default_factory=dict[str, float])
    scores: Sequence[object] | None = None
    pareto_front: Sequence[object] | None = None
    key: Hashable = None
    competes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """Result of a trial.

    Attributes:
        score: score in `unit`; None if the trial was not scored.
        program: the candidate.
        error: exception raised inside, even if the optimizer has caught it.
        state: None = complete, or fail if there is an error.
    """

    score: float | None = None
    unit: ScoreUnit = ScoreUnit.PERCENT
    program: ProgramSnapshot | None = None
    error: BaseException | None = None
    state: TrialState | None = None
