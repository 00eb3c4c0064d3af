"""Parsing of JSON texts that other programs, models or users wrote; readable texts; fast encoding without cycles."""

from __future__ import annotations

import json
import re
from json import encoder as accelerated
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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


def readable_json(
    value: object,
    *,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    default: Callable[[Any], object] | None = None,
) -> str:
    """Return a value as JSON text with its characters as they are, not escaped to ASCII.

    Args:
        value: JSON-compatible data.
        indent: spaces for each level, with a line for each value; None = one line.
        separators: between items, and between key and value; None = those of `json.dumps`.
        default: what to write for a value of another type; None = such a value is an error.

    Raises:
        TypeError: a value has no JSON form and there is no `default`.
    """
    return json.dumps(value, ensure_ascii=False, indent=indent, separators=separators, default=default)


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


def json_encoder(encoder: json.JSONEncoder) -> Callable[[object], str]:
    """Return a function that encodes like `encoder.encode`, for data without cycles.

    `encode` creates another encoder for each text, which takes longer than to encode a small one.

    Args:
        encoder: separators, `ensure_ascii` and `default` are used; no indentation, no sorted keys.
    """
    create: Any = getattr(accelerated, "c_make_encoder", None)
    if create is None:  # Python without the C accelerator
        return encoder.encode
    text = accelerated.encode_basestring_ascii if encoder.ensure_ascii else accelerated.encode_basestring
    try:
        encode: Callable[[object, int], Iterable[str]] = create(
            None, encoder.default, text, None, encoder.key_separator, encoder.item_separator, False, encoder.skipkeys,  # noqa: FBT003
            encoder.allow_nan,
        )  # fmt: skip
    except TypeError:  # other arguments in another version
        return encoder.encode
    return lambda value: "".join(encode(value, 0))
