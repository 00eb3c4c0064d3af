"""Trials that tried the same program as an earlier one: how far its results differ from run to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_dspy.formatting.counted_nouns import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.reporting.compile_result import Compile, Trial


@dataclass(frozen=True)
class RepeatedProgram:
    """One program that several trials tried."""

    trials: tuple[int, ...]
    """By index."""
    is_start: bool
    """Whether the start is among them."""
    common: int
    """Number of examples that at least two of them scored."""
    differing: int
    """Number of these whose scores differ."""
    text: str
    """One sentence."""


def repeated_programs(found: Compile) -> tuple[RepeatedProgram, ...]:
    """Return the programs that at least two trials with results tried; empty if programs are not recorded."""
    groups: list[list[Trial]] = []
    for trial in found.trials:
        if not trial.program or not trial.results:
            continue
        group = next((one for one in groups if _tried(one[0]) == _tried(trial)), None)
        if group is None:
            groups.append([trial])
        else:
            group.append(trial)
    return tuple(_repeated(found, group) for group in groups if len(group) > 1)


def _tried(trial: Trial) -> tuple[object, object]:
    """Return the program and, if the optimizer trains one, the model: it is not part of the program's state."""
    return trial.program, trial.row.parameters.get("model")


def _repeated(found: Compile, group: Sequence[Trial]) -> RepeatedProgram:
    by_example: dict[str, list[float]] = {}
    for trial in group:
        for example, score in trial.scores.items():
            by_example.setdefault(example, []).append(score)
    common = [scores for scores in by_example.values() if len(scores) > 1]
    differing = sum(len(set(scores)) > 1 for scores in common)
    indexes = tuple(trial.row.index for trial in group)
    start = found.start.row.index if found.start is not None else None
    named = [f"{index}, the start" if index == start else str(index) for index in indexes]
    # A semicolon separates, because the start's name has a comma.
    listed = "; ".join(named) if start in indexes else ", ".join(named)
    text = f"Trials {listed}: the same program"
    if differing:
        text += (
            f", and its results differ from run to run: {counted(differing, 'example')} of {len(common)} that at least "
            f"two of them scored {'has' if differing == 1 else 'have'} different scores"
        )
    return RepeatedProgram(indexes, start in indexes, len(common), differing, f"{text}.")
