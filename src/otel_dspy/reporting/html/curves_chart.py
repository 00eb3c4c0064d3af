"""Coordinates of the chart of best scores of several runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.reporting.html.chart_axes import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    WIDTH,
    grid_lines,
    score_axis,
    stairs,
    x_places,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.reporting.comparison.run_figures import RunFigures

COLORS: Final = 6
"""Colors of lines in the style; they repeat."""


@dataclass(frozen=True)
class Curve:
    """The line of one run; its end is marked."""

    name: str
    path: str
    color: int
    x: float
    y: float


@dataclass(frozen=True)
class CurvesChart:
    """The chart; y coordinates grow downwards."""

    width: int
    height: int
    left: int
    right: int
    base: int
    curves: tuple[Curve, ...]
    lines: tuple[tuple[float, str], ...]
    """Grid lines with their labels."""
    trials: int


def curves_chart(runs: Sequence[RunFigures]) -> CurvesChart | None:
    """Return the chart of the best score up to each trial; None without a score."""
    scores = [score for run in runs for score in run.curve if score is not None]
    if not scores:
        return None
    low, high = min(0.0, *scores), max(100.0, *scores)
    y, trials = score_axis(low, high), max(len(run.curve) for run in runs)
    x = x_places(range(trials), max(1, trials - 1))
    curves: list[Curve] = []
    for number, run in enumerate(runs):
        places = [(x[trial], y(score)) for trial, score in enumerate(run.curve) if score is not None]
        if places:
            curves.append(Curve(run.name, stairs(places), number % COLORS, *places[-1]))
    lines = grid_lines(low, high, "percent")
    return CurvesChart(WIDTH, HEIGHT, LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM, tuple(curves), lines, trials)
