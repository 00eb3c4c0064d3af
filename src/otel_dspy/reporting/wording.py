"""Text formatting of trial results."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_dspy.reporting.trial_row import ModelUse, TrialRow

NONE = "-"


def score_text(row: TrialRow) -> str:
    """Format the score in its unit: `62.5 %`, or `0.625` for a ratio; `-` without a score."""
    if row.score is None:
        return NONE
    return f"{row.score:.1f} %" if row.unit == "percent" else f"{row.score:.3f}"


def trial_text(row: TrialRow) -> str:
    """Format a finished trial in one line."""
    parts = [score_text(row), row.scope or "", kind_text(row), parameters_text(row), f"{row.seconds:.1f} s"]
    return ", ".join(part for part in parts if part and part != NONE) + (" (best so far)" if row.is_best else "")


def kind_text(row: TrialRow) -> str:
    """Format the kind of a trial, and its state unless complete: `full evaluation`, `candidate (fail)`."""
    kind = row.kind.replace("_", " ")
    return kind if row.state == "complete" else f"{kind} ({row.state})"


def parameters_text(row: TrialRow) -> str:
    """Format the parameters that the optimizer chose, ordered by name; `-` if there are none."""
    return ", ".join(f"{name}={value}" for name, value in sorted(row.parameters.items())) or NONE


def use_text(use: ModelUse) -> str:
    """Format calls, tokens and cost: `12 calls, 340 tokens, $0.0012 (3 calls not priced)`."""
    cost = "price unknown" if use.cost is None else f"${use.cost:.4f}"
    text = f"{use.calls:,} calls, {use.tokens:,} tokens, {cost}"
    # "price unknown" already covers unpriced calls.
    return text if use.cost is None or not use.unpriced_calls else f"{text} ({use.unpriced_calls:,} calls not priced)"
