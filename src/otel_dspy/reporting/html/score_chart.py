"""Coordinates of the chart of scores by trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.reporting.wording import score_value_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.reporting.sections.score_history import Point

WIDTH: Final = 820
HEIGHT: Final = 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 20, 18, 34
_MAX_LABELS: Final = 25
_LINES: Final = 4


@dataclass(frozen=True)
class Dot:
    """The mark of one trial."""

    point: Point
    x: float
    y: float
    low: float | None
    high: float | None
    label: str
    """Under the axis; empty where there is no place for it."""


@dataclass(frozen=True)
class ScoreChart:
    """The chart; y coordinates grow downwards."""

    width: int
    height: int
    left: int
    right: int
    base: int
    dots: tuple[Dot, ...]
    lines: tuple[tuple[float, str], ...]
    """Grid lines with their labels."""
    best: str
    """Path of the best score so far."""
    initial: float | None


def score_chart(points: Sequence[Point], initial: float | None, unit: str | None) -> ScoreChart | None:
    """Return the chart; None without a score.

    Args:
        points: the trials.
        initial: score of the initial program.
        unit: `percent` or `ratio`.
    """
    values = [point.score for point in points if point.score is not None]
    if not values:
        return None
    ends = [end for point in points if point.interval for end in point.interval]
    low = min(0.0, *values, *ends)
    high = max(100.0 if unit == "percent" else 1.0, *values, *ends)
    base = HEIGHT - _BOTTOM

    def y(score: float) -> float:
        return base - (score - low) / (high - low) * (base - _TOP)

    step = (WIDTH - _LEFT - _RIGHT - 20) / max(1, len(points) - 1)
    every = -(-len(points) // _MAX_LABELS)
    dots: list[Dot] = []
    for place, point in enumerate(points):
        x = _LEFT + 10 + place * step
        dots.append(
            Dot(
                point,
                x,
                y(point.score) if point.score is not None else base - 8,
                y(point.interval.low) if point.interval else None,
                y(point.interval.high) if point.interval else None,
                str(point.trial) if place % every == 0 or point.is_winner else "",
            )
        )
    grid = [low + (high - low) * number / _LINES for number in range(_LINES + 1)]
    return ScoreChart(
        WIDTH,
        HEIGHT,
        _LEFT,
        WIDTH - _RIGHT,
        base,
        tuple(dots),
        tuple((y(value), score_value_text(value, unit).replace(".0 %", " %")) for value in grid),
        _steps([(dot.x, y(dot.point.best)) for dot in dots if dot.point.best is not None]),
        None if initial is None else y(initial),
    )


def _steps(places: Sequence[tuple[float, float]]) -> str:
    path = ""
    for x, y in places:
        path += f"H{x:.1f}V{y:.1f}" if path else f"M{x:.1f} {y:.1f}"
    return path
