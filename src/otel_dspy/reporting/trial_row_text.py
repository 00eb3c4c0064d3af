"""Text of trials, from their rows in the trials table: score, kind, parameters, choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.trial_text import NONE, chosen_text, proposal_text, score_value_text

if TYPE_CHECKING:
    from otel_dspy.reporting.trial_row import TrialRow

START: Final = "start"
"""Name of the initial program, and of its trial."""
_BASELINE: Final = "baseline"


def score_text(row: TrialRow) -> str:
    """Format the score in its unit: `62.5 %`, or `0.625` for a ratio; `-` without a score."""
    return score_value_text(row.score, row.unit)


def trial_text(row: TrialRow) -> str:
    """Format a finished trial in one line."""
    failed = row.failure is not None
    parts = [score_text(row), row.scope or "", kind_text(row), parameters_text(row), f"{row.seconds:.1f} s"]
    parts.append("every example failed" if failed else "")
    leads = row.is_best and not failed
    return ", ".join(part for part in parts if part and part != NONE) + (" (best so far)" if leads else "")


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

    With several predictors each is named by its index: `predictor 0: instruction 1 + demos 2; predictor 1: …`. The
    trial of the initial program is the `start` of every optimizer, whatever its label: `start, candidate 0` of GEPA.
    """
    if row.kind == _BASELINE:
        if "candidate" in row.parameters:
            return f"{START}, candidate {row.parameters['candidate']}"
        return f"{START}, {row.label}" if row.parameters and row.label else START
    if (chosen := chosen_text(row.parameters)) is not None:
        return chosen
    if "candidate" in row.parameters:
        return f"candidate {row.parameters['candidate']}"
    return proposal_text(row.parameters) or row.label or (parameters_text(row) if row.parameters else kind_text(row))
