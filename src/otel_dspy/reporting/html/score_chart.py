"""Coordinates of the charts of scores: by trial, by examples scored, by tokens and by time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.reporting.html.chart_axes import (
    BOTTOM,
    GRID_LINES,
    HEIGHT,
    LEFT,
    RIGHT,
    WIDTH,
    grid_lines,
    labeled_places,
    score_axis,
    stairs,
    x_places,
)
from otel_dspy.reporting.number_text import duration_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from otel_dspy.reporting.sections.score_history import Point

_MAX_LABELS: Final = 25


@dataclass(frozen=True)
class Dot:
    """The mark of one trial."""

    point: Point
    x: float
    y: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Label:
    """A text under the axis."""

    x: float
    text: str
    strong: bool = False


@dataclass(frozen=True)
class ScoreChart:
    """The chart with one horizontal axis; y coordinates grow downwards."""

    name: str
    axis: str
    """What the horizontal axis shows."""
    width: int
    height: int
    left: int
    right: int
    base: int
    dots: tuple[Dot, ...]
    lines: tuple[tuple[float, str], ...]
    """Grid lines with their labels."""
    labels: tuple[Label, ...]
    best: str
    """Path of the best score so far."""
    initial: float | None


def score_charts(points: Sequence[Point], initial: float | None, unit: str | None) -> tuple[ScoreChart, ...]:
    """Return a chart for each axis whose values are known, that of trials first; empty without a score.

    Args:
        points: the trials.
        initial: score of the initial program.
        unit: `percent` or `ratio`.
    """
    values = [point.score for point in points if point.score is not None]
    if not values:
        return ()
    ends = [end for point in points if point.interval for end in point.interval]
    low = min(0.0, *values, *ends)
    high = max(100.0 if unit == "percent" else 1.0, *values, *ends)
    base, y = HEIGHT - BOTTOM, score_axis(low, high)
    lines = grid_lines(low, high, unit)
    charts: list[ScoreChart] = []
    for name, axis, places, labels in _axes(points):
        dots = [_dot(point, x, y, base) for point, x in zip(points, places, strict=True)]
        best = stairs([(dot.x, y(score)) for dot, score in _best(dots, by_trial=name == "trial")])
        charts.append(
            ScoreChart(
                name,
                axis,
                WIDTH,
                HEIGHT,
                LEFT,
                WIDTH - RIGHT,
                base,
                tuple(dots),
                lines,
                labels,
                best,
                None if initial is None else y(initial),
            )
        )
    return tuple(charts)


def _axes(points: Sequence[Point]) -> Iterator[tuple[str, str, list[float], tuple[Label, ...]]]:
    """Yield name, title, x coordinates of the points, and labels of each axis."""
    places = x_places([float(number) for number in range(len(points))], max(1, len(points) - 1))
    winner = next((place for place, point in enumerate(points) if point.is_winner), None)
    yield (
        "trial",
        "trial",
        places,
        tuple(
            Label(places[place], str(points[place].trial), points[place].is_winner)
            for place in labeled_places(len(points), _MAX_LABELS, winner)
        ),
    )
    ended = [point.ended for point in points]
    known = [end for end in ended if end is not None]
    others: list[tuple[str, str, Sequence[float], Callable[[float], str]]] = [
        ("examples", "examples scored", [point.examples for point in points], "{:,.0f}".format),
        ("tokens", "tokens of the trials", [point.tokens for point in points], "{:,.0f}".format),
        ("time", "time", known if len(known) == len(ended) else [], duration_text),
    ]
    for name, title, values, text in others:
        most = max(values, default=0)
        if most > 0:
            ticks = [most * number / GRID_LINES for number in range(GRID_LINES + 1)]
            labels = tuple(Label(x, text(tick)) for x, tick in zip(x_places(ticks, most), ticks, strict=True))
            yield name, title, x_places(values, most), labels


def _dot(point: Point, x: float, y: Callable[[float], float], base: int) -> Dot:
    return Dot(
        point,
        x,
        y(point.score) if point.score is not None else base - 8,
        y(point.interval.low) if point.interval else None,
        y(point.interval.high) if point.interval else None,
    )


def _best(dots: Sequence[Dot], *, by_trial: bool) -> Iterator[tuple[Dot, float]]:
    """Yield the dots from left to right with the best full score so far: trials that overlap end in another order."""
    best: float | None = None
    for dot in sorted(dots, key=lambda dot: dot.x):
        point = dot.point
        if by_trial:
            best = point.best
        elif point.mark == "full" and point.state == "complete" and point.score is not None:
            best = point.score if best is None else max(best, point.score)
        if best is not None:
            yield dot, best
