"""Proposals of GEPA, and their conversion into trials. Pure functions of gepa's events."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from otel_dspy.telemetry.spans.trial_info import Scope, ScoreUnit, TrialInfo, TrialOutcome, TrialState
from otel_dspy.telemetry.tallies.objective_scores import ObjectiveMeans

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.open_scopes import TrialScope
    from otel_dspy.telemetry.spans.trial_info import TrialKind

_NOTHING_PROPOSED = "no candidate was proposed"
_KEY_TYPES = (bool, int, float, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """Acceptance of a candidate into gepa's pool, with the state of the run at that time.

    Attributes:
        index: the candidate's number in the pool.
        score: gepa's aggregate over the validation set.
        scores: score by example id.
        size: size of the validation set; a policy may score only a part of it.
        best: number of the best candidate.
        front: rows of `dspy.trial.pareto.front`; None if unknown.
        objectives: mean by objective.
        pool: number of candidates in the pool.
        metric_calls: metric calls used; None if unknown.
    """

    index: int
    score: float
    scores: Mapping[Any, float]
    size: int
    best: int
    front: list[dict[str, Any]] | None
    objectives: Mapping[str, float]
    pool: int
    metric_calls: int | None


@dataclass(slots=True, eq=False, kw_only=True)
class Proposal:
    """Data of a proposal, collected from gepa's events.

    Attributes:
        iteration: gepa's number of the iteration, from 1; 0 is the seed.
        parents: numbers of the parents in gepa's pool.
        parent: texts of a single parent; gepa's own object, because calls are matched by identity.
        minibatch: the examples; gepa's own list, matched by identity.
        before: scores of each parent on the minibatch, in its order.
        after: scores of the candidate on the minibatch.
        prepared: whether the reflective dataset was created or skipped.
        texts: texts of the reflection model by component.
        candidate: all texts; gepa's own object, matched by identity.
        objectives: mean by objective over the validation set, if this compile evaluated it.
        error: an exception after which gepa continued.
    """

    trial: TrialScope
    kind: TrialKind
    label: str
    iteration: int | None
    restored: bool = False
    parents: list[int] = field(default_factory=list[int])
    parent: object = None
    parent_texts: dict[int, dict[str, str]] = field(default_factory=dict[int, "dict[str, str]"])
    ancestor: int | None = None
    minibatch: object = None
    minibatch_ids: list[Any] = field(default_factory=list[Any])
    before: list[list[float]] = field(default_factory=list["list[float]"])
    after: list[float] | None = None
    prepared: bool = False
    components: list[str] = field(default_factory=list[str])
    reflective_dataset: object = None
    texts: dict[str, str] = field(default_factory=dict[str, str])
    candidate: Any = None
    program: ProgramSnapshot | None = None
    objectives: dict[str, float] = field(default_factory=dict[str, float])
    accepted: Acceptance | None = None
    reason: str | None = None
    error: BaseException | None = None

    def validated(self, objectives: Sequence[Mapping[str, float]] | None) -> None:
        """Record the objectives by example of an evaluation on the validation set."""
        means = ObjectiveMeans()
        for found in objectives or ():
            means.add(found)
        self.objectives = means.means()

    def record_program(self, role: str, program: ProgramSnapshot | None) -> None:
        """Record the program of an evaluation of the candidate; that of the parent is ignored."""
        if role != "parent":
            self.program = program


def pareto_front(state: Any) -> list[dict[str, Any]]:
    """Return the rows of `dspy.trial.pareto.front` from gepa's state, by example and by objective."""
    by_example, by_objective = state.program_at_pareto_front_valset, state.program_at_pareto_front_objectives
    return [
        {"of": kind, "id": _id(key), "score": score, "candidates": sorted(candidates[key])}
        for kind, scores, candidates in (
            ("example", state.pareto_front_valset, by_example),
            ("objective", state.objective_pareto_front, by_objective),
        )
        for key, score in scores.items()
    ]


def seed_front(scores: Mapping[Any, float], objectives: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the rows of `dspy.trial.pareto.front` for the seed, whose event contains no state."""
    return [
        {"of": kind, "id": _id(key), "score": score, "candidates": [0]}
        for kind, found in (("example", scores), ("objective", objectives))
        for key, score in found.items()
    ]


def outcome(proposal: Proposal, error: BaseException | None) -> TrialOutcome:
    """Return the trial's outcome: accepted, rejected on its minibatch, pruned without a candidate, or failed.

    The score is gepa's own: over the validation set, or for a rejected candidate the mean over the minibatch.
    """
    accepted, after = proposal.accepted, proposal.after
    state: TrialState | None = None
    if accepted is not None:
        error = None  # a later exception belongs to other proposals
    else:
        error = error or proposal.error
        if error is None:
            state = TrialState.PRUNED if after is None else TrialState.REJECTED
    score = accepted.score if accepted is not None else None if not after else fmean(after)
    return TrialOutcome(score=score, unit=ScoreUnit.RATIO, program=proposal.program, error=error, state=state)


def trial_info(
    proposal: Proposal, parents: Sequence[ProgramSnapshot | None], used: int | None, limit: int | None
) -> TrialInfo:
    """Return the data of a proposal's trial.

    Args:
        proposal: the collected data.
        parents: the programs of its parents.
        used: metric calls used; None if unknown.
        limit: limit of metric calls; None if there is none or it is unknown.
    """
    accepted = proposal.accepted
    whole = accepted is not None and len(accepted.scores) >= accepted.size
    changed = _changed(proposal)
    parameters: dict[str, object] = {
        "iteration": proposal.iteration,
        "parents": proposal.parents or None,
        "ancestor": proposal.ancestor,
        "components": sorted(changed) or proposal.components or None,
        "minibatch": [_id(key) for key in proposal.minibatch_ids] or None,
        "candidate": None if accepted is None else accepted.index,
        "restored": proposal.restored or None,
    }
    pruned = proposal.after is None and accepted is None and proposal.error is None
    return TrialInfo(
        kind=proposal.kind,
        label=proposal.label,
        scope=Scope.FULL if whole else Scope.MINIBATCH,
        parameters={name: value for name, value in parameters.items() if value is not None},
        parent_program_ids=[program.id for program in parents if program is not None],
        candidate=changed or None,
        reason=proposal.reason or (_NOTHING_PROPOSED if pruned else None),
        measures=_measures(proposal, used, limit),
        scores=_scores(proposal) or None,
        pareto_front=None if accepted is None else accepted.front,
        # `GEPAResult.best_idx` compares the means of all candidates, over however many examples.
        competes=accepted is not None,
    )


def _changed(proposal: Proposal) -> dict[str, dict[str, Any]]:
    """Return the components that the proposal changed or merged: text `before` by parent number, and `after`."""
    candidate: Mapping[str, str] = proposal.candidate or {}
    changed: dict[str, dict[str, Any]] = {}
    for name, text in candidate.items():
        before = {str(index): texts[name] for index, texts in proposal.parent_texts.items() if name in texts}
        if before and (name in proposal.texts or any(old != text for old in before.values())):
            changed[name] = {"before": before, "after": text}
    return changed


def _measures(proposal: Proposal, used: int | None, limit: int | None) -> dict[str, float]:
    accepted, after = proposal.accepted, proposal.after
    calls = used if accepted is None or (used is not None and not proposal.restored) else accepted.metric_calls
    found: dict[str, float | None] = {
        "iteration": proposal.iteration,
        # gepa compares a merge with the better of its parents.
        "minibatch_before": max((fmean(scores) for scores in proposal.before if scores), default=None),
        "minibatch_after": fmean(after) if after else None,
        "metric_calls": calls,
        "metric_calls_left": None if limit is None or calls is None else max(0, limit - calls),
    }
    if accepted is not None:
        front = [row for row in accepted.front or () if row["of"] == "example"]
        found |= {
            "candidates": accepted.pool,
            "best_candidate": accepted.best,
            "validation_count": len(accepted.scores),
            "validation_size": accepted.size,
            "pareto_score": fmean(row["score"] for row in front) if front else None,
            "pareto_size": len({index for row in front for index in row["candidates"]}) if front else None,
            **{f"objective/{name}": value for name, value in accepted.objectives.items()},
        }
    return {name: float(value) for name, value in found.items() if value is not None}


def _scores(proposal: Proposal) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    known = proposal.before if proposal.after is None else [*proposal.before, proposal.after]
    # An adapter that leaves out examples that failed has fewer scores than examples: whose they are is unknown.
    whole = all(len(scores) == len(proposal.minibatch_ids) for scores in known)
    for place, key in enumerate(proposal.minibatch_ids if proposal.before and whole else ()):
        row: dict[str, Any] = {
            "on": "minibatch",
            "id": _id(key),
            "before": [scores[place] for scores in proposal.before],
        }
        rows.append(row if proposal.after is None else {**row, "score": proposal.after[place]})
    if proposal.accepted is not None:
        rows += [
            {"on": "validation", "id": _id(key), "score": score} for key, score in proposal.accepted.scores.items()
        ]
    return rows


def _id(key: object) -> object:
    """Return an example's id, which may be any hashable object, as plain data."""
    return key if isinstance(key, _KEY_TYPES) else str(key)
