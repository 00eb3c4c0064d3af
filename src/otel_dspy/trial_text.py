"""Text formatting of trials, shared by the runs in MLflow and the reports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NONE = "-"
CHOICE_PARAMETER: Final = re.compile(r"(?P<predictor>.+)_predictor_(?P<part>instruction|demos)")
"""MIPROv2's parameters: the index of the predictor, and what is chosen for it."""


def score_value_text(score: float | None, unit: str | None) -> str:
    """Format a score in its unit: `62.5 %`, or `0.625` for a ratio; `-` without a score."""
    if score is None:
        return NONE
    return f"{score:.1f} %" if unit == "percent" else f"{score:.3f}"


def difference_text(difference: float, unit: str | None) -> str:
    """Format a difference of two scores in their unit: `+12.5`, or `-0.125` for a ratio."""
    return f"{difference:+.1f}" if unit == "percent" else f"{difference:+.3f}"


def chosen_text(parameters: Mapping[str, object]) -> str | None:
    """Format what a trial chose from the candidates: `instruction 1 + demos 2`; None for other parameters.

    With several predictors each is named by its index: `predictor 0: instruction 1 + demos 2; predictor 1: …`.
    """
    chosen: dict[str, dict[str, object]] = {}
    for name, value in parameters.items():
        match = CHOICE_PARAMETER.fullmatch(name)
        if match is not None:
            chosen.setdefault(match["predictor"], {})[match["part"]] = value
    parts = {
        predictor: " + ".join(f"{part} {found[part]}" for part in ("instruction", "demos") if part in found)
        for predictor, found in sorted(chosen.items())
    }
    if len(parts) == 1:
        return next(iter(parts.values()))
    return "; ".join(f"predictor {predictor}: {part}" for predictor, part in parts.items()) or None
