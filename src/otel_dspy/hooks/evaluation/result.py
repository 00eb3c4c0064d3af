"""What `Evaluate` returns: an `EvaluationResult`; in DSPy 2.6 a number, or a tuple that begins with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class NamedResult:
    """A tuple's places by the names of `EvaluationResult`.

    Attributes:
        score: percent.
        results: a row an example, whose last is its score; the score alone where outputs weren't asked for.
    """

    score: Any
    results: Sequence[tuple[Any, ...]]


def named(result: Any) -> Any:
    """The result with `score` and `results`, where it has any; a number stays one."""
    if not isinstance(result, tuple) or not result:
        return cast("Any", result)
    parts = cast("tuple[Any, ...]", result)
    score, rows = parts[0], cast("Sequence[Any]", parts[1] if parts[1:] else ())
    return NamedResult(score, [cast("tuple[Any, ...]", row) if isinstance(row, tuple) else (row,) for row in rows])
