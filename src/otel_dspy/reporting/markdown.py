"""Markdown of recorded texts, as MLflow and GitHub show it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|~!])")
_MAX_TEXT: Final = 300


def markdown_text(text: str) -> str:
    """Return a text on one line that Markdown shows as it is, cut off after 300 characters."""
    line = " ".join(text.split())
    return _SPECIAL.sub(r"\\\1", line if len(line) <= _MAX_TEXT else f"{line[: _MAX_TEXT - 1]}…")


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table.

    Args:
        columns: names of the columns; those that end with `:` are aligned to the right.
        rows: cells, which are escaped.
    """
    names = [column.removesuffix(":") for column in columns]
    rules = ["---:" if column.endswith(":") else "---" for column in columns]
    lines = [names, rules, *([markdown_text(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]
