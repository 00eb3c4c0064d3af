"""What ReAnchor reports on each output that it calibrated: the check of better settings on held-out examples.

Source: the rows that `calibrate` returns, `dspy/teleprompt/reanchor/calibrate.py` of dspy 3.4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def reason(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Return which outputs stay as they were, or had better settings that failed the check; None if none did."""
    return "; ".join(f"{row['predictor']}.{row['field']}: {note}" for row in rows if (note := _note(row))) or None


def fold_checks(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return how many settings passed and how many failed the check, by names of measures."""
    return {
        f"fold_checks_{outcome}": float(sum(row["fold_check"][outcome] for row in rows))
        for outcome in ("passed", "failed")
    }


def _note(row: Mapping[str, Any]) -> str:
    failed: int = row["fold_check"]["failed"]
    rejected = f"{failed} better setting{'s' * (failed > 1)} failed the fold check" if failed else None
    return ", ".join(filter(None, (row.get("skipped"), rejected)))
