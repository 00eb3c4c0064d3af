"""Candidates that GEPA found before the checkpoint that it goes on from: proposals again, from gepa's saved state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_dspy.hooks.optimizers.gepa.proposal import Acceptance, Proposal, pareto_front
from otel_dspy.telemetry.spans.trial import TrialKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_dspy.telemetry.call_context import TrialScope


def best_of(scores: Sequence[float]) -> int:
    """The number of the candidate with the best score, the earliest of equals."""
    return max(range(len(scores)), key=lambda index: scores[index])


def differences(
    state: Any, seed: Mapping[str, str], validation_size: int, seed_scores: Sequence[float] | None
) -> list[str]:
    """Differences between this compile and the one that wrote the checkpoint, as texts; empty if there are none.

    Args:
        state: gepa's `GEPAState`, loaded.
        seed: the texts of the program that was given now.
        validation_size: how many validation examples were given now.
        seed_scores: what the seed scored when gepa evaluated it again, in the order of the examples; gepa's state tells
            validation examples by their numbers alone, so that other ones are known by their scores. None = not known.
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
    """The candidate of this number as the proposal that it was; its minibatch is not told again.

    Args:
        state: gepa's `GEPAState`, loaded (`gepa/core/state.py` of 0.1.4).
        index: the candidate's number in the pool; 0 is the seed.
        trial: the trial that tells it.
    """
    candidates, scores = state.program_candidates, state.program_full_scores_val_set
    parents = [parent for parent in state.parent_program_for_candidate[index] if parent is not None]
    by_example = state.prog_candidate_val_subscores[index]
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
            size=len(state.prog_candidate_val_subscores[0]),
            best=best_of(scores[: index + 1]),
            front=pareto_front(state) if index == len(candidates) - 1 else None,
            objectives=dict(state.prog_candidate_objective_scores[index] or {}),
            pool=index + 1,
            # gepa notes what was used before the candidate was validated.
            metric_calls=state.num_metric_calls_by_discovery[index] + len(by_example),
        ),
    )


def _iteration(state: Any, index: int) -> int | None:
    """The number, as gepa counts, of the iteration that found the candidate."""
    for record in state.full_program_trace:
        if index in record.get("new_program_indices", [record.get("new_program_idx")]):
            return record["i"] + 1
    return None
