"""Parsing of JSON texts that other programs, models or users wrote."""

from __future__ import annotations

import json
import re
from typing import Final

MAX_NESTING: Final = 200
"""Levels of arrays and objects. Code that walks a value recursively uses up to three of Python's 1,000 frames a level;
content that `plain_data` serializes has at most 100 levels.
"""
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET: Final = re.compile(r"[\[\]{}]")


def parse_json(text: str, default: object = None) -> object:
    """Return the value of a JSON text, safe to walk recursively.

    Args:
        text: Any text, as a model or another process wrote it.
        default: What to return for a text that is not valid JSON or has more than `MAX_NESTING` levels.
    """
    if nesting(text) > MAX_NESTING:
        return default
    try:
        return json.loads(text)
    except ValueError:
        return default


def nesting(text: str) -> int:
    """Return an upper bound of a JSON text's levels of arrays and objects; exact above `MAX_NESTING`."""
    brackets = text.count("[") + text.count("{")
    if brackets <= MAX_NESTING:
        return brackets
    depth = deepest = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if bracket[0] in "[{" else -1
        deepest = max(deepest, depth)
    return deepest
