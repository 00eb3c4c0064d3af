"""Change of the prompt between the initial program and the winner, in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.counted_nouns import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.reporting.compile_result import Compile, Predictor

_NOTHING: Final = "Nothing"
_NAMES: Final = 3
"""Most predictors that the sentence names."""
_LONGEST: Final = 40
"""Longest name of a predictor in the sentence."""


@dataclass(frozen=True)
class PromptChange:
    """What the optimizer changed in the prompt."""

    title: str
    """`Instructions and demos`, `Instructions`, `Demos` or `Nothing`."""
    detail: str

    @property
    def text(self) -> str:
        """One sentence."""
        return f"Changed in the prompt: {self.title.lower() if self.title == _NOTHING else self.detail}."


def prompt_change(found: Compile) -> PromptChange | None:
    """Compare the winner's instructions and demos with those of the initial program; None if they are not recorded."""
    before = {predictor.name: predictor for predictor in found.initial_program}
    if not before or not found.best_program:
        return None
    rewritten = [one for one in found.best_program if one.instructions != _instructions(before.get(one.name))]
    other_demos = [one for one in found.best_program if one.demos != _demos(before.get(one.name))]
    if not rewritten and not other_demos:
        return PromptChange(_NOTHING, "the same instructions and demos")
    title = " and ".join([*(["instructions"] if rewritten else []), *(["demos"] if other_demos else [])])
    parts = [f"new instructions of {_names(rewritten, len(found.best_program))}"] if rewritten else []
    if other_demos:
        demos = sum(len(one.demos) for one in found.best_program)
        parts.append(f"{counted(demos, 'demo')}, {sum(len(one.demos) for one in found.initial_program)} before")
    elif any(one.demos for one in found.best_program):
        parts.append("the same demos")
    else:
        parts.append("no demos")
    if not rewritten:
        parts.append("the same instructions")
    return PromptChange(title.capitalize(), "; ".join(parts))


def _instructions(predictor: Predictor | None) -> str | None:
    return None if predictor is None else predictor.instructions


def _demos(predictor: Predictor | None) -> Sequence[object]:
    return () if predictor is None else predictor.demos


def _names(predictors: Sequence[Predictor], total: int) -> str:
    if len(predictors) > _NAMES:
        return f"{len(predictors)} of {total} predictors"
    names = [one.name if len(one.name) <= _LONGEST else f"{one.name[: _LONGEST - 1]}…" for one in predictors]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
