"""Creation of named tuples in every call: their own constructor is a function of Python, which takes longer."""

from __future__ import annotations

from typing import Any, Final, Protocol, TypeVar

_Tuple = TypeVar("_Tuple", bound=tuple[Any, ...])


class _Create(Protocol):
    def __call__(self, kind: type[_Tuple], fields: tuple[Any, ...], /) -> _Tuple:
        """Create a tuple of this class."""
        ...


_tuple: Any = tuple
create: Final[_Create] = _tuple.__new__
"""Creates a named tuple from its class and all of its fields in order; defaults do not apply."""
