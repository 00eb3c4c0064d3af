"""Text of trials, from their rows in the trials table: score, kind, parameters, choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.formatting.trial_values import NONE, score_value_text, tried_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_dspy.reporting.trials.trial_row import TrialRow


def score_text(row: TrialRow) -> str:
    """Format the score in its unit: `62.5 %`, or `0.625` for a ratio; `-` without a score."""
    return score_value_text(row.score, row.unit)


def trial_text(row: TrialRow) -> str:
    """Format how a trial ended: `62.5 %, full, 3.2 s (best so far)`."""
    state = "" if row.state == "complete" else row.state
    failed = "every example failed" if row.failure is not None else ""
    parts = [score_text(row), row.scope or "", state, f"{row.seconds:.1f} s", failed]
    return ", ".join(part for part in parts if part and part != NONE) + (" (best so far)" if row.leads else "")


def trial_line(row: TrialRow, planned: int | None) -> str:
    """Format a finished trial in one line: `[3/9] trial 2: instruction 1 + demos 2: 62.5 %, full, 3.2 s`.

    It begins with the name of the trial's run in MLflow.

    Args:
        row: the trial.
        planned: number of trials that the optimization will have; None to leave `[3/9]` out.
    """
    done = f"[{row.index + 1}/{planned}] " if planned else ""
    return f"{done}trial {row.index}: {choice_text(row)}: {trial_text(row)}"


def numbers_text(rows: Iterable[TrialRow]) -> str:
    """Return one sentence on numbers of trials and of GEPA's candidates; empty if the optimizer has no such numbers."""
    if not any("iteration" in row.parameters and {"candidate", "parents"} & row.parameters.keys() for row in rows):
        return ""
    return "A trial is an attempt; candidates, which GEPA numbers itself, are the programs it kept (0 is the start)."


def kind_text(row: TrialRow) -> str:
    """Format the kind of a trial, and its state unless complete: `full evaluation`, `candidate (fail)`."""
    kind = row.kind.replace("_", " ")
    return kind if row.state == "complete" else f"{kind} ({row.state})"


def parameters_text(row: TrialRow) -> str:
    """Format the parameters that the optimizer chose, ordered by name; `-` if there are none."""
    return ", ".join(f"{name}={value}" for name, value in sorted(row.parameters.items())) or NONE


def choice_text(row: TrialRow) -> str:
    """Format what a trial tried, in a few words: `instruction 1 + demos 2`, as its run in MLflow is named.

    Of a trial without choice and label, its parameters or its kind.
    """
    tried = tried_text(row.kind, row.label, row.parameters)
    if tried is None and "candidate" in row.parameters:
        tried = f"candidate {row.parameters['candidate']}"
    return tried or (parameters_text(row) if row.parameters else kind_text(row))
