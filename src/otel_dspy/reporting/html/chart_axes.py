"""Size of the report's charts, their axes, and the labels on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.trial_values import score_value_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH: Final = 820
HEIGHT: Final = 270
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 18, 34
_INSET: Final = 10
"""Distance of the first and the last place from the ends of the axis."""
GRID_LINES: Final = 4


def labeled_places(count: int, most: int, winner: int | None) -> list[int]:
    """Return the places on an axis that have a label: at regular distances, and the winner's.

    Args:
        count: number of places.
        most: the largest number of labels besides the winner's.
        winner: the winner's place, whose label no other is near enough to overlap.
    """
    every = max(1, -(-count // most))
    regular = (place for place in range(0, count, every) if winner is None or abs(place - winner) >= every)
    return sorted({*regular, *(() if winner is None else (winner,))})


def x_places(values: Sequence[float], most: float) -> list[float]:
    """Return the x coordinates of values on an axis from 0 to `most`, which must be above 0."""
    scale = (WIDTH - LEFT - RIGHT - 2 * _INSET) / most
    return [LEFT + _INSET + value * scale for value in values]


def score_axis(low: float, high: float) -> Callable[[float], float]:
    """Return a function from a score to its y coordinate, on an axis with this range."""
    base = HEIGHT - BOTTOM
    return lambda score: base - (score - low) / (high - low) * (base - TOP)


def grid_lines(low: float, high: float, unit: str | None) -> tuple[tuple[float, str], ...]:
    """Return the grid lines of an axis of scores: y coordinates with their labels.

    Args:
        low: the lowest score of the axis.
        high: the highest.
        unit: `percent` or `ratio`.
    """
    y, scores = score_axis(low, high), [low + (high - low) * number / GRID_LINES for number in range(GRID_LINES + 1)]
    return tuple((y(score), score_value_text(score, unit).replace(".0 %", " %")) for score in scores)


def stairs(places: Sequence[tuple[float, float]]) -> str:
    """Return the path of a step function through these points."""
    path = ""
    for x, y in places:
        path += f"H{x:.1f}V{y:.1f}" if path else f"M{x:.1f} {y:.1f}"
    return path
