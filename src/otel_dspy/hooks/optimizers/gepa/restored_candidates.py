"""Restored candidates: proposals recreated from the state that gepa resumes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_dspy.hooks.optimizers.gepa.proposal import Acceptance, Proposal, pareto_front
from otel_dspy.telemetry.spans.trial_info import Scope, TrialKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_dspy.telemetry.open_scopes import TrialScope


def best_of(scores: Sequence[float]) -> int:
    """Return the number of the candidate with the best score; the earliest of equals."""
    return max(range(len(scores)), key=lambda index: scores[index])


def differences(
    state: Any, seed: Mapping[str, str], validation_size: int, seed_scores: Sequence[float] | None
) -> list[str]:
    """Describe the differences between this compile and the one that wrote the checkpoint; empty if there are none.

    Args:
        state: the loaded `GEPAState` of gepa.
        seed: the texts of the given program.
        validation_size: the number of given validation examples.
        seed_scores: scores of gepa's new evaluation of the seed, in the order of the examples; None if unknown. gepa's
            state identifies validation examples by number only, so other examples are detected by their scores.
    """
    stored: Mapping[str, str] = state.program_candidates[0]
    changed = sorted(name for name in {*stored, *seed} if stored.get(name) != seed.get(name))
    found = [f"text of {name}" for name in changed]
    before = list(state.prog_candidate_val_subscores[0].values())
    if validation_size != len(before):
        found.append(f"{validation_size} validation examples instead of {len(before)}")
    elif not changed and seed_scores is not None and len(seed_scores) == len(before):
        others = sum(score != stored_score for score, stored_score in zip(seed_scores, before, strict=True))
        if others:
            found.append(f"score of the seed on {others} of {len(before)} validation examples")
    return found


def restored(state: Any, index: int, trial: TrialScope) -> Proposal:
    """Return a candidate of the checkpoint as a proposal, without its minibatch.

    Args:
        state: the loaded `GEPAState` of gepa (`gepa/core/state.py` of 0.1.4).
        index: the candidate's number in the pool; 0 is the seed.
        trial: the trial that records it.
    """
    candidates, scores = state.program_candidates, state.program_full_scores_val_set
    parents = [parent for parent in state.parent_program_for_candidate[index] if parent is not None]
    by_example = state.prog_candidate_val_subscores[index]
    size = len(state.prog_candidate_val_subscores[0])
    trial.evaluated[(Scope.FULL if len(by_example) >= size else Scope.MINIBATCH).value] = len(by_example)
    return Proposal(
        trial=trial,
        kind=TrialKind.BASELINE if index == 0 else TrialKind.MERGE if len(parents) > 1 else TrialKind.CANDIDATE,
        label="seed, restored" if index == 0 else f"candidate {index}, restored",
        iteration=0 if index == 0 else _iteration(state, index),
        restored=True,
        parents=parents,
        parent_texts={parent: dict(candidates[parent]) for parent in parents},
        candidate=candidates[index],
        accepted=Acceptance(
            index=index,
            score=scores[index],
            scores=by_example,
            size=size,
            best=best_of(scores[: index + 1]),
            front=pareto_front(state) if index == len(candidates) - 1 else None,
            objectives=dict(state.prog_candidate_objective_scores[index] or {}),
            pool=index + 1,
            # gepa stores the count from before the candidate's validation.
            metric_calls=state.num_metric_calls_by_discovery[index] + len(by_example),
        ),
    )


def _iteration(state: Any, index: int) -> int | None:
    """Return gepa's number of the iteration that found the candidate; None if unknown."""
    for record in state.full_program_trace:
        if index in record.get("new_program_indices", [record.get("new_program_idx")]):
            return record["i"] + 1
    return None
