"""Uniform access to results of `Evaluate`: an `EvaluationResult`; in DSPy 2.6 a score, or a tuple of score and rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class NamedResult:
    """DSPy 2.6's result tuple with the attributes of `EvaluationResult`.

    Attributes:
        score: percent.
        results: one row per example, whose last item is its score. Rows hold the score alone if outputs were not
            requested.
    """

    score: Any
    results: Sequence[tuple[Any, ...]]


def named(result: Any) -> Any:
    """Return the result with `score` and `results` if it is a tuple, else unchanged."""
    if not isinstance(result, tuple) or not result:
        return cast("Any", result)
    parts = cast("tuple[Any, ...]", result)
    score, rows = parts[0], cast("Sequence[Any]", parts[1] if parts[1:] else ())
    return NamedResult(score, [cast("tuple[Any, ...]", row) if isinstance(row, tuple) else (row,) for row in rows])
