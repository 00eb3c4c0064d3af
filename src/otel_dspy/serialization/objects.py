"""Objects as data, as `opentelemetry.util.genai.utils.object_to_any_value` has it, without methods that nobody knows.

That function calls `to_dict`, `dict` or `model_dump` of whatever has one. Of a data set such a method loads all of it,
of a database's cursor it may be something else altogether.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from opentelemetry.util.types import AnyValue

_DEEPEST: Final = 32
_OMIT: Final = object()
_SCALARS: Final = (str, bool, int, bytes, bytearray, float, datetime, date, time, UUID)
_MARKED: Final = ("<<CUSTOM-TYPE-START-IDENTIFIER>>", "<<CUSTOM-TYPE-END-IDENTIFIER>>")
"""What DSPy puts around the JSON of its own types (`dspy.adapters.types.base_type`), for its adapters."""
_KNOWN: Final = frozenset({"pydantic", "dspy", "litellm", "openai"})
"""Packages whose classes, and those derived from them, give their data by `model_dump`, `dict` or `to_dict`."""
_FRAMES: Final = frozenset({"pandas", "polars"})


class Room:
    """How many elements of lists and mappings may still be told of one value."""

    __slots__ = ("left",)

    def __init__(self, left: float) -> None:
        """`left`: `math.inf` for a value that is told whole."""
        self.left = left

    def has(self, value: Collection[object]) -> bool:
        """Whether there is room for its elements, which is taken then."""
        count = len(value)
        if count > self.left:
            return False
        self.left -= count
        return True


def by_length(value: object, length: int) -> dict[str, AnyValue]:
    """What is told of a list or a mapping that there is no room for."""
    return {"type": type(value).__name__, "length": length}


def data_of(value: object, room: Room) -> AnyValue:
    """The object as data: dataclasses, models, public attributes, or its own text; None of what is none.

    What cannot be turned into data inside of it is left out. A table of pandas or polars is told by type and shape.
    """
    found = _data(value, _DEEPEST, frozenset(), room)
    return None if found is _OMIT else cast("AnyValue", found)


def _data(value: object, deepest: int, around: frozenset[int], room: Room) -> object:
    if deepest <= 0 or isinstance(value, type) or id(value) in around:
        return _OMIT
    if value is None or isinstance(value, _SCALARS):
        return _scalar(value)
    if isinstance(value, Enum):
        return _data(value.value, deepest - 1, around, room)
    if callable(value):
        return _tool(value)
    try:
        return _object(value, deepest - 1, around | {id(value)}, room)
    except Exception:  # noqa: BLE001 - a user's object may raise anything when it is looked at
        return _OMIT


def _tool(value: object) -> object:
    """A `dspy.Tool`, which is callable, by its name, description and arguments; any other callable is left out.

    Defaults of arguments are left out, because they may be secrets.
    """
    if not any(base.__name__ == "Tool" and base.__module__.startswith("dspy.") for base in type(value).__mro__):
        return _OMIT
    tool: Any = value
    return {"name": _text(tool.name), "desc": _text(tool.desc), "args": list(map(str, tool.args or ()))}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _scalar(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else _OMIT
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, str) and value.startswith(_MARKED[0]) and value.endswith(_MARKED[1]):
        return _content_blocks(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _content_blocks(marked: str) -> object:
    """The content blocks that DSPy's `Image` and the like are serialized to: the block itself, if it is one alone."""
    blocks: object = json.loads(marked.removeprefix(_MARKED[0]).removesuffix(_MARKED[1]))
    if isinstance(blocks, list):
        items = cast("list[object]", blocks)
        return items[0] if len(items) == 1 else items
    return blocks


def _object(value: object, deepest: int, around: frozenset[int], room: Room) -> object:
    told = _dumped(value)
    if told is not None:
        return _data(told, deepest, around, room)
    if isinstance(value, Mapping):
        return _mapping(cast("Mapping[object, object]", value), deepest, around, room)
    if isinstance(value, list | tuple | set | frozenset):
        items = cast("Collection[object]", value)
        if not room.has(items):
            return by_length(items, len(items))
        data = (_data(item, deepest, around, room) for item in items)
        return [item for item in data if item is not _OMIT]
    attributes: object = getattr(value, "__dict__", None)
    if isinstance(attributes, dict):
        given = cast("dict[object, object]", attributes).items()
        # What is private stays so, as the text of a pydantic SecretStr.
        public = {name: item for name, item in given if isinstance(name, str) and not name.startswith("_")}
        if public:
            return _data(public, deepest, around, room)
    # The text of `object` itself has an address in memory.
    return str(value) if type(value).__str__ is not object.__str__ else _OMIT


def _mapping(value: Mapping[object, object], deepest: int, around: frozenset[int], room: Room) -> object:
    if not room.has(value):
        return by_length(value, len(value))
    if not all(isinstance(name, str) for name in value):
        return _OMIT
    data = ((name, _data(item, deepest, around, room)) for name, item in value.items())
    return {name: item for name, item in data if item is not _OMIT}


def _dumped(value: object) -> object | None:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    bases = type(value).__mro__
    packages = {base.__module__.partition(".")[0] for base in bases}
    if not packages.isdisjoint(_KNOWN):
        for name in ("model_dump", "dict", "to_dict"):
            method: Any = getattr(value, name, None)
            if callable(method):
                return method()
    if not packages.isdisjoint(_FRAMES) and any(base.__name__ == "DataFrame" for base in bases):
        return {"type": type(value).__name__, "shape": list(cast("Iterable[int]", getattr(value, "shape", ())))}
    return None
