"""Separation of the winner's instructions from its demos: the trials that have one of the two alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.formatting.trial_values import score_value_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_dspy.reporting.compile_result import Compile, Predictor, Trial

Part = Literal["instructions", "demos"]


@dataclass(frozen=True)
class PartAlone:
    """The best known trial with one part of the winner's program, and the other part as at the start."""

    part: Part
    trial: int | None
    """None: no trial with a score has this part alone."""
    score: float | None
    scope: str | None
    n: int
    """Number of examples with a recorded result."""


@dataclass(frozen=True)
class ChangedParts:
    """What is known of the parts of a winner that changed both."""

    text: str
    instructions: PartAlone
    demos: PartAlone


def changed_parts(found: Compile) -> ChangedParts | None:
    """Return what is known of each part of the winner's program, if it changed both instructions and demos.

    Of several trials with the same part it is the full evaluation with the most examples. None if the winner changed
    one part only, or if the programs are not recorded.
    """
    initial, best = found.initial_program, found.winning_program
    if found.winner is None or not initial or not best:
        return None
    same_instructions, same_demos = _instructions(best) == _instructions(initial), _demos(best) == _demos(initial)
    if same_instructions or same_demos:
        return None
    scored = [trial for trial in found.trials if trial.program and trial.row.score is not None]
    instructions = _part(
        "instructions",
        (
            trial
            for trial in scored
            if _instructions(trial.program) == _instructions(best) and _demos(trial.program) == _demos(initial)
        ),
    )
    demos = _part(
        "demos",
        (
            trial
            for trial in scored
            if _demos(trial.program) == _demos(best) and _instructions(trial.program) == _instructions(initial)
        ),
    )
    return ChangedParts(_text(found, instructions, demos), instructions, demos)


def _part(part: Part, trials: Iterable[Trial]) -> PartAlone:
    best = max(trials, key=lambda trial: (trial.is_full, len(trial.results)), default=None)
    if best is None:
        return PartAlone(part, None, None, None, 0)
    return PartAlone(part, best.row.index, best.row.score, best.row.scope, len(best.results))


def _text(found: Compile, instructions: PartAlone, demos: PartAlone) -> str:
    both = "The winner changed both instructions and demos"
    if instructions.trial is None and demos.trial is None:
        return (
            f"{both}. No trial changed the instructions alone, and none the demos alone, to those of the winner: what "
            "each contributed is not known."
        )
    return f"{both}. {_alone_text(found, instructions)} {_alone_text(found, demos)}"


def _alone_text(found: Compile, one: PartAlone) -> str:
    if one.trial is None:
        return f"No trial has its {one.part} alone."
    n = f" of {counted(one.n, 'example')}" if one.n else ""
    minibatch = ", a minibatch" if one.scope != "full" else ""
    return f"Trial {one.trial} has its {one.part} alone: {score_value_text(one.score, found.unit)}{n}{minibatch}."


def _instructions(program: tuple[Predictor, ...]) -> object:
    return {predictor.name: predictor.instructions for predictor in program}


def _demos(program: tuple[Predictor, ...]) -> object:
    return {predictor.name: list(predictor.demos) for predictor in program}
