"""Serialization of any object, like `opentelemetry.util.genai.utils.object_to_any_value` but without side effects.

That function calls `to_dict`, `dict` or `model_dump` of any object that has one. On a data set such a method loads all
of the data; on a database cursor it may do anything. Here they are called on classes of known packages only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from enum import Enum
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

from otel_dspy.serialization.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from opentelemetry.util.types import AnyValue

_DEEPEST: Final = 32
_MOST_OBJECTS: Final = 10_000
"""Objects that are serialized of one. In a graph of objects, each is reached once for every path that leads to it. Of a
value without a limit of elements, also the lists, mappings and arrays that are serialized again.
"""
_OMIT: Final = object()
_SCALARS: Final = (str, bool, int, bytes, bytearray, float, datetime, date, time, UUID)
_MARKED: Final = ("<<CUSTOM-TYPE-START-IDENTIFIER>>", "<<CUSTOM-TYPE-END-IDENTIFIER>>")
"""Markers that DSPy's adapters put around the JSON of DSPy's own types (`dspy.adapters.types.base_type`)."""
_KNOWN: Final = frozenset({"pydantic", "dspy", "litellm", "openai"})
"""Packages whose classes and subclasses are serialized by `model_dump`, `dict` or `to_dict`."""
_FRAMES: Final = frozenset({"pandas", "polars"})


class Room:
    """What may still be serialized of one value: elements of lists and mappings, nested objects, repeated parts."""

    __slots__ = ("_again", "_repeats", "_seen", "_serialized", "_visits", "left", "objects")

    def __init__(self, left: float) -> None:
        """Create it with `left` elements; `math.inf` for no limit."""
        self.left = left
        self.objects = _MOST_OBJECTS
        # A limit of elements is also one of parts: each part is an element.
        self._visits = _MOST_OBJECTS if left == math.inf else math.inf
        self._repeats = _MOST_OBJECTS
        # References to the parts, so that no `id` is used twice.
        self._seen: dict[int, object] = {}
        self._serialized: dict[int, object] = {}
        self._again: Room | None = None

    def has(self, part: object, count: int) -> bool:
        """Reserve the elements of a list or mapping; return False, and reserve nothing, if there are too many.

        Args:
            part: the list or mapping.
            count: number of its elements.
        """
        if count > self.left or not self.has_part(part):
            return False
        self.left -= count
        return True

    def has_part(self, part: object) -> bool:
        """Reserve a visit of a list, mapping or array; return False for one of too many repeated visits.

        Where two parts of each level contain the same next level, a path leads to it for each subset of the levels.
        The first 10,000 visits are only counted, because most values have fewer.
        """
        if self._visits > 0:
            self._visits -= 1
            return True
        if id(part) not in self._seen:
            self._seen[id(part)] = part
            return True
        self._repeats -= 1
        return self._repeats >= 0

    def of_object(self, value: object) -> Room:
        """Return the room for an object: its own, and if it was serialized before one for all repeated ones."""
        if id(value) not in self._serialized:
            self._serialized[id(value)] = value
            return Room(self.left)
        if self._again is None:
            self._again = Room(self.left)
        self._again.left = self.left
        return self._again

    def has_object(self) -> bool:
        """Reserve an object; return False if there are too many."""
        self.objects -= 1
        return self.objects >= 0


def by_length(value: object, length: int) -> dict[str, AnyValue]:
    """Return the placeholder for a list or mapping that exceeds the limit: its type and length."""
    return {"type": type(value).__name__, "length": length}


def data_of(value: object, room: Room) -> AnyValue:
    """Serialize an object: a dataclass, a model, its public attributes, or its `str`; None if it has no data.

    Nested values that cannot be serialized are omitted, and nested objects beyond the first 10,000. A pandas or polars
    DataFrame becomes its type and shape.
    """
    own = room.of_object(value)
    found = _data(value, _DEEPEST, frozenset(), own)
    room.left = own.left
    return None if found is _OMIT else cast("AnyValue", found)


def _data(value: object, deepest: int, around: frozenset[int], room: Room) -> object:
    if deepest <= 0 or isinstance(value, type | ModuleType) or id(value) in around:
        return _OMIT
    if value is None or isinstance(value, _SCALARS):
        return _scalar(value)
    if isinstance(value, Enum):
        return _data(value.value, deepest - 1, around, room)
    if callable(value):
        return _tool(value)
    try:
        return _object(value, deepest - 1, around | {id(value)}, room)
    except Exception:  # noqa: BLE001 - a user's object may raise anything on attribute access
        return _OMIT


def _tool(value: object) -> object:
    """Serialize a `dspy.Tool`, which is callable, by its name, description and argument names; omit other callables.

    Defaults of arguments are omitted, because they may be secrets.
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
    """Parse the content blocks that DSPy's `Image` and similar types serialize to; a single block without its list."""
    blocks = parse_json(marked.removeprefix(_MARKED[0]).removesuffix(_MARKED[1]), marked)
    if isinstance(blocks, list):
        items = cast("list[object]", blocks)
        return items[0] if len(items) == 1 else items
    return blocks


def _object(value: object, deepest: int, around: frozenset[int], room: Room) -> object:
    dumped = _dumped(value)
    if dumped is not None:
        return _data(dumped, deepest, around, room) if room.has_object() else _OMIT
    if isinstance(value, Mapping):
        return _mapping(cast("Mapping[object, object]", value), deepest, around, room)
    if isinstance(value, list | tuple | set | frozenset):
        items = cast("Collection[object]", value)
        if not room.has(items, len(items)):
            return by_length(items, len(items))
        found = (_data(item, deepest, around, room) for item in items)
        data = [item for item in found if item is not _OMIT]
        # The order of a set differs between processes; a digest must not.
        return sorted(data, key=repr) if isinstance(value, set | frozenset) else data
    attributes: object = getattr(value, "__dict__", None)
    if isinstance(attributes, dict):
        given = cast("dict[object, object]", attributes).items()
        # Private attributes are omitted: a pydantic SecretStr keeps its secret in one.
        public = {name: item for name, item in given if isinstance(name, str) and not name.startswith("_")}
        if public:
            return _data(public, deepest, around, room) if room.has_object() else _OMIT
    # `object.__str__` contains a memory address.
    return str(value) if type(value).__str__ is not object.__str__ else _OMIT


def _mapping(value: Mapping[object, object], deepest: int, around: frozenset[int], room: Room) -> object:
    if not room.has(value, len(value)):
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
