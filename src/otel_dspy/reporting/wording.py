"""Text formatting of trial results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.trial_text import NONE, chosen_text, score_value_text

if TYPE_CHECKING:
    from otel_dspy.reporting.trial_row import ModelUse, TrialRow

_SMALLEST_P: Final = 0.001
UNOBSERVED: Final = "model calls were not observed"
"""Usage of an optimization that called models without DSPy."""


def score_text(row: TrialRow) -> str:
    """Format the score in its unit: `62.5 %`, or `0.625` for a ratio; `-` without a score."""
    return score_value_text(row.score, row.unit)


def trial_text(row: TrialRow) -> str:
    """Format a finished trial in one line."""
    parts = [score_text(row), row.scope or "", kind_text(row), parameters_text(row), f"{row.seconds:.1f} s"]
    return ", ".join(part for part in parts if part and part != NONE) + (" (best so far)" if row.is_best else "")


def trial_line(row: TrialRow, planned: int | None) -> str:
    """Format a finished trial with its number of the planned ones: `[3/9] trial 2: 62.5 %, full, candidate, 3.2 s`."""
    done = f"[{row.index + 1}/{planned}] " if planned else ""
    return f"{done}trial {row.index}: {trial_text(row)}"


def kind_text(row: TrialRow) -> str:
    """Format the kind of a trial, and its state unless complete: `full evaluation`, `candidate (fail)`."""
    kind = row.kind.replace("_", " ")
    return kind if row.state == "complete" else f"{kind} ({row.state})"


def parameters_text(row: TrialRow, separator: str = ", ") -> str:
    """Format the parameters that the optimizer chose, ordered by name; `-` if there are none."""
    return separator.join(f"{name}={value}" for name, value in sorted(row.parameters.items())) or NONE


def choice_text(row: TrialRow) -> str:
    """Format what a trial tried, in a few words: `instruction 1 + demos 2`; its label or kind without parameters.

    With several predictors each is named by its index: `predictor 0: instruction 1 + demos 2; predictor 1: …`.
    """
    if (chosen := chosen_text(row.parameters)) is not None:
        return chosen
    if "candidate" in row.parameters:
        return f"candidate {row.parameters['candidate']}"
    return row.label or (parameters_text(row) if row.parameters else kind_text(row))


def duration_text(seconds: float) -> str:
    """Format a duration: `4.2 s`, `2 min 15 s`, `1 h 03 min`."""
    if seconds < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def probability_text(p_value: float) -> str:
    """Format a p-value: `p = 0.18`, `p < 0.001`."""
    return f"p < {_SMALLEST_P}" if p_value < _SMALLEST_P else f"p = {p_value:.2g}"


def counted(number: int, noun: str) -> str:
    """Format a number with its noun in the singular or the plural: `1 trial`, `1,200 trials`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def use_text(use: ModelUse) -> str:
    """Format calls, tokens and cost: `12 calls, 340 tokens, $0.0012 (3 calls not priced)`."""
    if not use.observed:
        return UNOBSERVED
    cost = "price unknown" if use.cost is None else f"${use.cost:.4f}"
    text = f"{counted(use.calls, 'call')}, {counted(use.tokens, 'token')}, {cost}"
    # "price unknown" already covers unpriced calls.
    return text if use.cost is None or not use.unpriced_calls else f"{text} ({use.unpriced_calls:,} calls not priced)"


def unpriced_text(model: str) -> str:
    """Format why a cost is unknown or incomplete, and what to do: DSPy has no price of the model."""
    return (
        f"No price is known for {model}: register one with litellm.register_model, or pass input_cost_per_token and "
        "output_cost_per_token to dspy.LM."
    )
