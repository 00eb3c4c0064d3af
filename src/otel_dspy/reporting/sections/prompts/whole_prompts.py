"""Prompts of the initial program and of the winner as whole texts: instructions and demos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.reporting.sections.predictions import value_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.reporting.compile_result import Compile, Predictor

MAX_CHARACTERS: Final = 16_000
"""Most characters of all texts together; the size of the page depends on it."""
_AUGMENTED: Final = "augmented"
"""DSPy's mark of a bootstrapped demo, which is not sent."""


@dataclass(frozen=True)
class WholeText:
    """Instructions and demos of one predictor."""

    text: str
    left_out: int
    """Number of characters that are left out at its end."""


@dataclass(frozen=True)
class WholePrompt:
    """One predictor; None in the program that does not have it."""

    name: str
    start: WholeText | None
    winner: WholeText | None


def whole_prompts(found: Compile, *, max_characters: int = MAX_CHARACTERS) -> tuple[WholePrompt, ...]:
    """Return the prompts, predictor by predictor; empty if they are not recorded.

    Args:
        found: the optimization.
        max_characters: the most characters of all texts; short texts are kept whole, long ones have equal shares.
    """
    programs = [{one.name: _text(one) for one in program} for program in (found.initial_program, found.best_program)]
    if not all(programs):
        return ()
    lengths = sorted(len(text) for program in programs for text in program.values())
    longest = _longest(lengths, max_characters)

    def cut(program: dict[str, str], name: str) -> WholeText | None:
        text = program.get(name)
        return None if text is None else WholeText(text[:longest], max(0, len(text) - longest))

    start, winner = programs
    return tuple(WholePrompt(name, cut(start, name), cut(winner, name)) for name in dict.fromkeys([*start, *winner]))


def _longest(lengths: Sequence[int], limit: int) -> int:
    """Return the most characters of a text with which texts of these lengths, the shortest first, are in the limit."""
    left = limit
    for place, length in enumerate(lengths):
        share = left // (len(lengths) - place)
        if length > share:
            return share
        left -= length
    return max(lengths, default=0)


def _text(predictor: Predictor) -> str:
    parts = [predictor.instructions]
    for number, demo in enumerate(predictor.demos, 1):
        fields = (f"{name}: {value_text(value)}" for name, value in demo.items() if name != _AUGMENTED)
        parts.append("\n".join([f"Demo {number}", *fields]))
    return "\n\n".join(parts)
