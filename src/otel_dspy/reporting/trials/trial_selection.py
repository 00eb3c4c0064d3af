"""Selection of the trials that a short table has room for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.reporting.trials.trial_row import TrialRow


def shown_trials(rows: Sequence[TrialRow], most: int) -> list[TrialRow]:
    """Return the first and the best trial, then those with the largest full scores, ordered by index.

    Args:
        rows: the trials.
        most: maximum number of trials returned.
    """
    best = best_index(rows)
    first = min((row.index for row in rows), default=None)

    def rank(row: TrialRow) -> tuple[bool, bool, float, int]:
        score = row.score if row.scope == "full" and row.score is not None else -math.inf
        return (row.index != best, row.index != first, -score, row.index)

    return sorted(sorted(rows, key=rank)[:most], key=lambda row: row.index)


def best_index(rows: Sequence[TrialRow]) -> int | None:
    """Return the index of the last trial that is the best one; None if none is."""
    return next((row.index for row in sorted(rows, key=lambda row: row.index, reverse=True) if row.leads), None)
