"""Recorded text in Markdown, as MLflow and GitHub show it."""

from __future__ import annotations

import re
from html import escape
from typing import Final

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]|~#@])")


def markdown_text(text: str) -> str:
    """Return text on one line, without meaning as Markdown or HTML, and mentioning no user: also a table's cell."""
    return _SPECIAL.sub(r"\\\1", escape(" ".join(text.split()), quote=False))


def markdown_row(*cells: str) -> str:
    """Return a row of a table; the cells are escaped."""
    return f"| {' | '.join(markdown_text(cell) for cell in cells)} |"
