"""Type guards for parsed JSON and other plain data: `isinstance` alone leaves the types of keys and items unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_EXACT: Final = 2**53
"""The integers up to it are doubles too; above it one double stands for several integers."""


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Return whether the value is a dictionary. Keys of parsed JSON are strings; call `str` on those of other data."""
    return isinstance(value, dict)


def is_mapping(value: object) -> TypeGuard[Mapping[str, object]]:
    """Return whether the value is a mapping of any type; for its keys see `is_object`."""
    # Check for dict first: the check against an abstract class takes ten times as long.
    return isinstance(value, dict) or isinstance(value, Mapping)  # noqa: SIM101 - see above


def is_array(value: object) -> TypeGuard[list[object]]:
    """Return whether the value is a list."""
    return isinstance(value, list)


def is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    """Return whether the value is a list or a tuple."""
    return isinstance(value, list | tuple)


def is_collection(value: object) -> TypeGuard[Collection[object]]:
    """Return whether the value is a list, a tuple or a set."""
    return isinstance(value, list | tuple | set | frozenset)


def whole_number(value: object) -> int | None:
    """Return an integer, also one that JSON or a pipeline has made a double; None for anything else."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
