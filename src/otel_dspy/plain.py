"""Any object as plain data: what every JSON text and every digest is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from opentelemetry.util.genai.utils import object_to_any_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.util.types import AnyValue

_DEEPEST: Final = 100
"""Levels of nesting that are followed; deeper ones cost the stack of the user's own calls."""
_SCALARS: Final = (str, bool, int, float, bytes)
_LONGEST_INT: Final = 10_000
"""Bits. Python refuses to write integers of more than 4300 decimal digits (14,000 bits) as text."""

_LARGEST_ARRAY: Final = 100_000
"""Numbers. Nobody reads more of them, and as Python's own they would take ten times the array's memory."""


def plain(value: object) -> AnyValue:
    """The value as None, bool, int, float, str, bytes, list or dict with text keys.

    What cannot be turned into data (a function, a cycle, NaN, an object that raises) is None; an array of more than
    100,000 numbers is told by its type and shape. Nothing is consumed and
    no error is raised. `opentelemetry-util-genai` does most of it; this adds DSPy's examples at any depth, numpy,
    mappings whose keys are no strings, and text that UTF-8 cannot hold.
    """
    return _plain(value, frozenset())


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


def _plain(value: object, around: frozenset[int]) -> AnyValue:
    if type(value) is str and value.isascii():
        return value  # as most of all that is ever asked
    try:
        if value is None or isinstance(value, _SCALARS):
            return _plain_scalar(value)
        if id(value) in around or len(around) >= _DEEPEST:
            return None
        return _plain_container(value, around | {id(value)})
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


def _plain_container(value: object, around: frozenset[int]) -> AnyValue:
    pairs = _pairs(value)
    if pairs is not None:
        return {well_formed(str(name)): _plain(item, around) for name, item in pairs}
    if isinstance(value, list | tuple):
        return [_plain(item, around) for item in cast("Iterable[object]", value)]
    if isinstance(value, set | frozenset):
        # A set's own order differs from process to process; a digest must not.
        return sorted((_plain(item, around) for item in cast("Iterable[object]", value)), key=repr)
    to_list = getattr(value, "tolist", None)
    if callable(to_list) and not isinstance(value, type):
        return _plain_array(value, to_list, around)
    known = object_to_any_value(value)
    return _plain(known, around) if known is not value else None


def _plain_array(array: object, to_list: Callable[[], object], around: frozenset[int]) -> AnyValue:
    shape = tuple(cast("Iterable[int]", getattr(array, "shape", ())))
    if math.prod(shape) > _LARGEST_ARRAY:
        return {"dtype": str(getattr(array, "dtype", None)), "shape": [int(size) for size in shape]}
    return _plain(to_list(), around)


def _pairs(value: object) -> Iterable[tuple[object, object]] | None:
    # A dict first: an abstract class takes ten times as long to say so.
    if isinstance(value, dict) or isinstance(value, Mapping):  # noqa: SIM101 - see above
        return cast("Mapping[object, object]", value).items()
    # dspy.Example and dspy.Prediction are no mappings, though they look like one.
    items = getattr(value, "items", None)
    if callable(items) and callable(getattr(value, "toDict", None)):
        return cast("Callable[[], Iterable[tuple[object, object]]]", items)()
    return None
