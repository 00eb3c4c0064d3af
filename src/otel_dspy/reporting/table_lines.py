"""Tables as lines of plain text."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from otel_dspy.reporting.rich_classes import Console

if TYPE_CHECKING:
    from rich.table import Table

_WIDTH: Final = 100


def table_lines(table: Table) -> list[str]:
    """Return the lines of a table without colors, at most 100 characters wide."""
    out = io.StringIO()
    Console(file=out, width=_WIDTH, color_system=None).print(table)
    return [line.rstrip() for line in out.getvalue().rstrip().splitlines()]
