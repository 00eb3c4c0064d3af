"""Coordinates of the flip matrix: one path for each kind of cell, so that thousands of cells stay small."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from otel_dspy.reporting.html.chart_axes import labeled_places

if TYPE_CHECKING:
    from otel_dspy.reporting.sections.flip_matrix import Cell, FlipMatrix, Mark

ROW: Final = 16
_SIGN_AND_ID: Final = 60
_CHARACTER: Final = 6.2
"""Width of an average character; a text of capitals runs below the cells, which are drawn above it."""
_TOP: Final = 30
_WIDE, _NARROW, _CELLS = 30, 6, 600
_MAX_LABELS: Final = 30
SIGNS: Final[dict[Mark, str]] = {"fixed": "▲", "broke": "▼", "never": "∅", "always": "", "mixed": ""}
GLYPHS: Final[dict[Cell, str]] = {"right": "1", "wrong": "0", "partial": "~", "error": "x", "none": "."}


@dataclass(frozen=True)
class Label:
    """The head of a column."""

    x: float
    text: str
    is_winner: bool


@dataclass(frozen=True)
class Line:
    """The head of a row."""

    y: int
    sign: str
    mark: Mark
    example: str
    text: str
    glyphs: str
    """The row as text: 1 right, ~ partly, 0 wrong, x error, . not scored."""


@dataclass(frozen=True)
class MatrixChart:
    """The chart; a path draws each cell as a thick line."""

    width: float
    height: int
    labels: tuple[Label, ...]
    lines: tuple[Line, ...]
    right: str
    partial: str
    wrong: str
    errors: str
    gaps: str
    """Lines between columns, in the color of the background."""
    winner: tuple[float, float] | None
    """x and width of the winner's column."""


def flip_matrix_chart(matrix: FlipMatrix) -> MatrixChart:
    """Return the chart of a matrix."""
    left = round(_SIGN_AND_ID + _CHARACTER * max((len(row.text) for row in matrix.rows), default=0))
    cell = max(_NARROW, min(_WIDE, _CELLS // len(matrix.columns)))
    paths: dict[Cell, list[str]] = {"right": [], "partial": [], "wrong": [], "error": []}
    lines: list[Line] = []
    for place, row in enumerate(matrix.rows):
        y = _TOP + place * ROW
        lines.append(
            Line(y + 12, SIGNS[row.mark], row.mark, row.example, row.text, "".join(GLYPHS[one] for one in row.cells))
        )
        first = 0
        for kind, group in groupby(row.cells):
            length = len(list(group))
            if kind == "error":
                paths[kind] += [
                    _cross(left + (first + number) * cell + cell / 2, y + ROW // 2) for number in range(length)
                ]
            elif kind != "none":
                paths[kind].append(f"M{left + first * cell} {y + ROW // 2}h{length * cell}")
            first += length
    height = _TOP + len(matrix.rows) * ROW
    winner = next((place for place, column in enumerate(matrix.columns) if column.is_winner), None)
    labels = [
        Label(
            left + place * cell + cell / 2,
            f"{matrix.columns[place].trial}{'★' if place == winner else ''}",
            place == winner,
        )
        for place in labeled_places(len(matrix.columns), _MAX_LABELS, winner)
    ]
    return MatrixChart(
        left + len(matrix.columns) * cell + 8,
        height + 4,
        tuple(labels),
        tuple(lines),
        "".join(paths["right"]),
        "".join(paths["partial"]),
        "".join(paths["wrong"]),
        "".join(paths["error"]),
        "".join(f"M{left + place * cell} {_TOP}V{height}" for place in range(len(matrix.columns) + 1)),
        None if winner is None else (left + winner * cell, cell),
    )


def _cross(x: float, y: float) -> str:
    return f"M{x - 3:g} {y - 3}l6 6m0-6l-6 6"
