"""Instructions of the winner that are not instructions: empty, or a marker of DSPy's chat template."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Compile

_MARKERS: Final = re.compile(r"(?:\[\s*\[?\s*##[^\[\]#\n]*##\s*\]?\s*\]\s*)+")
"""Markers as `[[ ## name ## ]]`, which DSPy's chat adapter writes around fields, also with a bracket missing."""
_AROUND: Final = " \t\r\n\"'`"


@dataclass(frozen=True)
class UnusableInstruction:
    """The instruction of one predictor."""

    predictor: str
    text: str
    """Empty, or nothing but markers."""


def unusable_instructions(found: Compile) -> tuple[UnusableInstruction, ...]:
    """Return the winner's instructions that are empty or consist of markers only. The check reads only their text."""
    return tuple(
        UnusableInstruction(predictor.name, predictor.instructions.strip())
        for predictor in found.winning_program
        if is_unusable(predictor.instructions)
    )


def is_unusable(instructions: str) -> bool:
    """Return whether a text is empty or consists of markers of DSPy's chat template, with or without quotes."""
    text = instructions.strip(_AROUND)
    return not text or _MARKERS.fullmatch(text) is not None
