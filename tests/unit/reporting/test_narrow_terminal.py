"""The table of trials in a narrow terminal, as beside an editor: columns are left out, numbers are whole."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from otel_dspy.reporting.rich_classes import Console
from otel_dspy.reporting.terminal.trials_table import trials_table
from tests.unit.reporting.optimizations import trial


def _printed(width: int) -> list[str]:
    tried = {"0_predictor_instruction": 12, "0_predictor_demos": 3}
    rows = [replace(trial(index, "1111").row, parameters=tried, scope="minibatch") for index in (0, 100)]
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(trials_table(rows, title="T", width=width))
    return out.getvalue().splitlines()


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (38, ["trial", "score", "tried"]),
        (50, ["trial", "scope", "score", "tried"]),
        (69, ["trial", "scope", "score", "tried"]),
        (70, ["trial", "scope", "score", "tried", "tokens", "seconds"]),
    ],
)
def test_columns_that_have_room(width: int, columns: list[str]) -> None:
    """What was tried takes two lines at most."""
    lines = _printed(width)
    assert "…" not in "".join(lines)
    (head,) = [number for number, line in enumerate(lines) if "trial " in line and "score" in line]
    assert lines[head].split() == columns
    rows = lines[head + 2 : next(number for number in range(head, len(lines)) if "minibatch: some" in lines[number])]
    assert [row.split()[0] for row in rows if "100.0 %" in row] == ["0", "100"]
    assert len([row for row in rows if row.strip()]) <= 2 * 2
