"""Removal of control characters from text of programs, models and errors that is shown."""

from __future__ import annotations

import re
from typing import Final

_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colors, cursor
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # titles, links, clipboard
    r"|\x1b[ -/]*[0-~]?"
)
"""Escape sequences of ECMA-48: https://ecma-international.org/publications-and-standards/standards/ecma-48/."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All but tab and line feed."""


def without_escape_sequences(text: str) -> str:
    """Return the text without escape sequences of terminals, as for colors."""
    return _SEQUENCE.sub("", text)


def without_control_characters(text: str) -> str:
    """Return the text without escape sequences of terminals and without control characters but tab and line feed."""
    return _CONTROL.sub("", without_escape_sequences(text))
