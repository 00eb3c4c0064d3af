"""Reads fields of DSPy's and providers' responses, which are objects or mappings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

FieldReader = Callable[[str], Any]
"""Returns a field by name; None if there is none."""


def _nothing(_name: str) -> None:
    pass


def field_reader(source: Any) -> FieldReader:
    """Return the function that reads a field of a mapping or an object by name; it returns None without one."""
    if source is None:
        return _nothing
    # Annotated, because `cast` is a function call.
    given: Any = source
    return given.get if type(source) is dict else partial(field_value, source)


def field_value(source: Any, name: str) -> Any:
    """Return a field of an object or a mapping; None if it has none."""
    # DSPy's responses have attributes; an isinstance check against an abstract class takes ten times as long.
    found = getattr(source, name, None)
    given: Any = source
    return given.get(name) if found is None and hasattr(source, "keys") and isinstance(source, Mapping) else found
