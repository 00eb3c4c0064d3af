"""Conversion of any object to plain data, the input of all JSON serialization and digests."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.serialization.any_value import Room, by_length, data_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sized

    from opentelemetry.util.types import AnyValue

_DEEPEST: Final = 100
"""Maximum nesting depth; a deeper recursion would use up the stack of the user's call."""
_SCALARS: Final = (str, bool, int, float, bytes)
_LONGEST_INT: Final = 10_000
"""Bits. Python refuses to convert integers of more than 4300 decimal digits (14,000 bits) to text."""

_LARGEST_ARRAY: Final = 100_000
"""Elements of an array. As Python numbers they take ten times the array's memory."""
_MOST_ELEMENTS: Final = 100_000
"""Elements of all lists and mappings in a value. They are serialized while the user's call waits."""
_FEW: Final = 16
"""Fields of a program's inputs, mostly texts, that are copied without further ado."""
_TEXT: Final = frozenset({str})
_IMMUTABLE: Final = frozenset({str, int, float, bool, type(None)})


def plain(value: object) -> AnyValue:
    """Convert a value to None, bool, int, float, str, bytes, list or dict with string keys.

    A value that cannot be converted (a function, a cycle, NaN, an object that raises) becomes None; an array of more
    than 100,000 numbers becomes its type and shape. Lists and mappings that the value contains in several places become
    their type and length once 10,000 have been converted again. Iterators are not consumed, no exception is raised, and
    the only methods called on a user's object are those that return its text, its items or its numbers (see
    `serialization.any_value`). Beyond what `opentelemetry-util-genai` serializes, this covers DSPy's examples at any
    depth, numpy, mappings with non-string keys, and text that UTF-8 cannot encode.
    """
    return _plain(value, frozenset(), Room(math.inf))


def bounded(value: object) -> AnyValue:
    """Convert content like `plain`, but limit it to 100,000 list and mapping elements in total.

    A list or mapping that exceeds the limit becomes its type and length.
    """
    if type(value) is str and value.isascii():
        return value  # the most frequent case
    given: Any = value
    flat = _flat_texts(given.items()) if type(value) is dict else None
    return _plain(given, frozenset(), Room(_MOST_ELEMENTS)) if flat is None else flat


def captured(value: object) -> AnyValue:
    """Copy content that the application may change later, for `converted`, which need not run during the call.

    A few texts and numbers by name, such as most inputs and predictions, are copied as they are. Everything else is
    converted at once.
    """
    given: Any = value
    try:
        # Annotated, because `cast` is a function call.
        fields: dict[Any, Any] | None = None
        if type(value) is dict:
            fields = given.copy() if len(given) <= _FEW else None
        elif _is_example(value):
            fields = dict(given.items())
        if fields is not None and _is_flat(fields):
            return fields
    except Exception:  # noqa: BLE001, S110 - a user's object may raise anything; `bounded` has an answer to it
        pass
    return bounded(given)


def converted(value: AnyValue) -> AnyValue:
    """Convert what `captured` has returned to plain data; return plain data unchanged."""
    given: Any = value
    return bounded(given) if type(given) is dict and _is_flat(given) else value  # pyright: ignore[reportUnknownArgumentType] - `cast` is a function call


def number(value: object) -> float | None:
    """Convert an int, a bool, a numpy number, a Decimal or a numeric string to a float.

    Return None for anything else: an integer beyond the range of a float, an object that raises.
    """
    try:
        return float(cast("float", value))
    except Exception:  # noqa: BLE001 - a user's object may raise anything in `__float__`
        return None


def has_method(value: object, name: str) -> bool:
    """Return whether the class of an object defines a method.

    The object itself is not read: a lazy object would load its data, and a mock would have another attribute.
    """
    return callable(getattr(type(value), name, None))


def _is_example(value: object) -> bool:
    """Return whether a value is a `dspy.Example` or `dspy.Prediction`: a mapping's methods, but not a mapping."""
    kind = type(value)  # not by `has_method`, because most values of calls are checked
    return callable(getattr(kind, "toDict", None)) and callable(getattr(kind, "items", None))


def well_formed(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot encode and exporters cannot send, with U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _is_flat(fields: dict[Any, Any]) -> bool:
    """Return whether a dictionary holds a few texts, numbers and nothing else by name."""
    return (
        len(fields) <= _FEW
        and _TEXT.issuperset(map(type, fields))
        and _IMMUTABLE.issuperset(map(type, fields.values()))
    )


def _flat_texts(fields: Collection[tuple[Any, Any]]) -> dict[str, AnyValue] | None:
    """Return a few texts by name, such as a program's inputs, as a dictionary; None for any other items."""
    if len(fields) > _FEW:
        return None
    parts = [*chain.from_iterable(fields)]
    return dict(fields) if _TEXT.issuperset(map(type, parts)) and all(map(str.isascii, parts)) else None


def _plain(value: object, around: frozenset[int], room: Room) -> AnyValue:
    if type(value) is str and value.isascii():
        return value  # the most frequent case
    try:
        if value is None or isinstance(value, _SCALARS):
            return _plain_scalar(value)
        if id(value) in around or len(around) >= _DEEPEST:
            return None
        return _plain_container(value, around | {id(value)}, room)
    except Exception:  # noqa: BLE001 - a user's object may raise anything on attribute access
        return None


def _plain_scalar(value: bool | bytes | str | float | None) -> AnyValue:  # noqa: FBT001 - a value, not a flag
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, int) and value.bit_length() > _LONGEST_INT:
        return hex(value)
    return value


def _plain_container(value: object, around: frozenset[int], room: Room) -> AnyValue:
    pairs = _pairs(value)
    if pairs is not None:
        if not room.has(value, len(pairs)):
            return by_length(value, len(pairs))
        return _flat_texts(pairs) or _plain_fields(pairs, around, room)
    if isinstance(value, list | tuple | set | frozenset):
        items = cast("Collection[object]", value)
        if not room.has(items, len(items)):
            return by_length(items, len(items))
        made = [item if type(item) is str and item.isascii() else _plain(item, around, room) for item in items]
        # The order of a set differs between processes; a digest must not.
        return sorted(made, key=repr) if isinstance(value, set | frozenset) else made
    if has_method(value, "tolist") and _is_array(value):
        return _plain_array(value, around, room)
    known = data_of(value, room)
    # The elements have been counted by `data_of`.
    return _plain(known, around, Room(math.inf)) if known is not value else None


def _plain_fields(pairs: Collection[tuple[object, object]], around: frozenset[int], room: Room) -> dict[str, AnyValue]:
    # Most names and items are such strings, and a call takes longer than this check.
    return {
        (name if type(name) is str and name.isascii() else well_formed(str(name))): (
            item if type(item) is str and item.isascii() else _plain(item, around, room)
        )
        for name, item in pairs
    }


def _is_array(value: object) -> bool:
    # Includes numpy scalars, pandas columns and tensors.
    return isinstance(value, array | memoryview) or (hasattr(value, "dtype") and hasattr(value, "shape"))


def _plain_array(value: object, around: frozenset[int], room: Room) -> AnyValue:
    given: Any = value
    # `array.array` has a length but no shape.
    has_shape = not isinstance(value, array)
    shape = tuple(cast("Iterable[int]", getattr(value, "shape", ()) if has_shape else (len(cast("Sized", value)),)))
    if math.prod(shape) > min(_LARGEST_ARRAY, room.left) or (shape and not room.has_part(value)):
        return {"dtype": str(getattr(value, "dtype", None)), "shape": [int(size) for size in shape]}
    return _plain(given.tolist(), around, room)


def _pairs(value: object) -> Collection[tuple[object, object]] | None:
    # Annotated, because `cast` is a function call.
    given: Any = value
    # Check for dict first: the check against an abstract class takes ten times as long.
    if isinstance(value, dict) or isinstance(value, Mapping):  # noqa: SIM101 - see above
        return given.items()
    if _is_example(value):
        return list(cast("Iterable[tuple[object, object]]", given.items()))
    return None
