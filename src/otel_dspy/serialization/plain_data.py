"""Any object as plain data: what every JSON text and every digest is made of."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from otel_dspy.serialization.objects import Room, by_length, data_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sized

    from opentelemetry.util.types import AnyValue

_DEEPEST: Final = 100
"""Levels of nesting that are followed; deeper ones cost the stack of the user's own calls."""
_SCALARS: Final = (str, bool, int, float, bytes)
_LONGEST_INT: Final = 10_000
"""Bits. Python refuses to write integers of more than 4300 decimal digits (14,000 bits) as text."""

_LARGEST_ARRAY: Final = 100_000
"""Numbers. Nobody reads more of them, and as Python's own they would take ten times the array's memory."""
_MOST_ELEMENTS: Final = 100_000
"""Elements of lists and mappings, over all of a value: they are taken down while the user's own call waits."""


def plain(value: object) -> AnyValue:
    """The value as None, bool, int, float, str, bytes, list or dict with text keys.

    What cannot be turned into data (a function, a cycle, NaN, an object that raises) is None; an array of more than
    100,000 numbers is told by its type and shape. Nothing is consumed, no error is raised, and no method of a user's
    object is called but those that give its text, its items or its numbers (see `plain_objects`). To what
    `opentelemetry-util-genai` makes of objects this adds DSPy's examples at any depth, numpy, mappings whose keys are
    no strings, and text that UTF-8 cannot hold.
    """
    return _plain(value, frozenset(), Room(math.inf))


def bounded(value: object) -> AnyValue:
    """The same of a value that is content, where nobody would read all of a large one.

    Lists and mappings that would make it more than 100,000 elements in all are told by their type and length.
    """
    return _plain(value, frozenset(), Room(_MOST_ELEMENTS))


def number(value: object) -> float | None:
    """A float of Python's own: of an int, a bool, numpy's, a Decimal, a text that is one.

    None of anything else: an integer beyond a float's range, an object that raises when it is asked.
    """
    try:
        return float(cast("float", value))
    except Exception:  # noqa: BLE001 - a user's object may raise anything when it is looked at
        return None


def well_formed(text: str) -> str:
    """The text with U+FFFD in the place of lone surrogates, which UTF-8 cannot hold and no exporter can send."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _plain(value: object, around: frozenset[int], room: Room) -> AnyValue:
    if type(value) is str and value.isascii():
        return value  # as most of all that is ever asked
    try:
        if value is None or isinstance(value, _SCALARS):
            return _plain_scalar(value)
        if id(value) in around or len(around) >= _DEEPEST:
            return None
        return _plain_container(value, around | {id(value)}, room)
    except Exception:  # noqa: BLE001 - a user's object may raise anything when it is looked at
        return None


def _plain_scalar(value: bool | bytes | str | float | None) -> AnyValue:  # noqa: FBT001 - a value, no switch
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
        if not room.has(pairs):
            return by_length(value, len(pairs))
        return {well_formed(str(name)): _plain(item, around, room) for name, item in pairs}
    if isinstance(value, list | tuple | set | frozenset):
        items = cast("Collection[object]", value)
        if not room.has(items):
            return by_length(items, len(items))
        # Texts are most of all, and a call for each takes longer than the look at it.
        made = [item if type(item) is str and item.isascii() else _plain(item, around, room) for item in items]
        # A set's own order differs from process to process; a digest must not.
        return sorted(made, key=repr) if isinstance(value, set | frozenset) else made
    to_list = getattr(value, "tolist", None)
    if callable(to_list) and not isinstance(value, type) and _is_array(value):
        return _plain_array(value, to_list, around, room)
    known = data_of(value, room)
    # What has been made of it has had its room.
    return _plain(known, around, Room(math.inf)) if known is not value else None


def _is_array(value: object) -> bool:
    # Numpy's scalars, pandas' columns and tensors are as well.
    return isinstance(value, array | memoryview) or (hasattr(value, "dtype") and hasattr(value, "shape"))


def _plain_array(value: object, to_list: Callable[[], object], around: frozenset[int], room: Room) -> AnyValue:
    # Python's own array has a length alone.
    has_shape = not isinstance(value, array)
    shape = tuple(cast("Iterable[int]", getattr(value, "shape", ()) if has_shape else (len(cast("Sized", value)),)))
    if math.prod(shape) > min(_LARGEST_ARRAY, room.left):
        return {"dtype": str(getattr(value, "dtype", None)), "shape": [int(size) for size in shape]}
    return _plain(to_list(), around, room)


def _pairs(value: object) -> Collection[tuple[object, object]] | None:
    # A dict first: an abstract class takes ten times as long to say so.
    if isinstance(value, dict) or isinstance(value, Mapping):  # noqa: SIM101 - see above
        return cast("Mapping[object, object]", value).items()
    # dspy.Example and dspy.Prediction are no mappings, though they look like one.
    items = getattr(value, "items", None)
    if callable(items) and callable(getattr(value, "toDict", None)):
        return list(cast("Callable[[], Iterable[tuple[object, object]]]", items)())
    return None
