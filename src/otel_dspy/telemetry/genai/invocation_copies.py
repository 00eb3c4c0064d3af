"""Copies of an unused invocation of opentelemetry-util-genai, in place of calls of its constructor.

An invocation and its data have some eighty fields; those of calls to the same model differ in few. Whatever fields a
version of the library has are copied by their types. An invocation is not copied if a field is of an unknown type, or
differs between two that are created in the same way, as a time does.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from otel_dspy.telemetry.genai.inference import Inference

_CONSTANTS: Final = frozenset({type(None), bool, int, float, str, Context})
_CONTAINERS: Final = frozenset({dict, list, set})
_copy: Final = dict[str, Any].copy


class _NotCopiedError(Exception):
    """The object has a field of which it is unknown whether copies may share it."""


class InvocationCopies:
    """Creates copies of an invocation, with data, lists, dictionaries and sets of their own.

    Args:
        first: the invocation, which must not be used otherwise.
        second: another one, created with the same arguments.
        shared: objects that copies have in common, such as the tracer.

    Raises:
        _NotCopiedError: See `copies_of`.
    """

    def __init__(self, first: object, second: object, shared: Sequence[object]) -> None:
        self._shared = {id(one) for one in (*shared, INVALID_SPAN)}
        self._known: dict[int, int] = {}
        self._kinds: list[type[Any]] = []
        self._fields: list[dict[str, Any]] = []
        self._references: list[tuple[int, str, int]] = []
        self._containers: dict[int, tuple[Any, list[tuple[int, str]]]] = {}
        self._add(first, second)
        containers = self._containers.values()
        # The methods are bound once; most containers have one place.
        self._single = [(container.copy, *places[0]) for container, places in containers if len(places) == 1]
        self._aliased = [(container.copy, places) for container, places in containers if len(places) > 1]

    def copy(self) -> object:
        """Create a copy."""
        made: list[Any] = [*map(object.__new__, self._kinds)]
        held = [*map(_copy, self._fields)]
        for copy, index, name in self._single:
            held[index][name] = copy()
        for copy, places in self._aliased:
            fresh = copy()
            for index, name in places:
                held[index][name] = fresh
        for index, name, target in self._references:
            held[index][name] = made[target]
        for one, fields in zip(made, held, strict=True):
            one.__dict__ = fields  # a copy of the whole dictionary takes a fraction of what `update` does
        return made[0]

    def _add(self, source: object, other: object) -> int:
        """Add an object with all that belongs to it alone.

        Args:
            source: the object.
            other: the same part of the second invocation.

        Returns:
            The object's index.

        Raises:
            _NotCopiedError: See `copies_of`.
        """
        kind = type(source)
        if type(other) is not kind or any(vars(one).get("__slots__") for one in kind.__mro__):
            raise _NotCopiedError
        fields, others = dict(vars(source)), vars(other)
        if fields.keys() != others.keys():
            raise _NotCopiedError
        index = self._known[id(source)] = len(self._kinds)
        self._kinds.append(kind)
        self._fields.append(fields)
        for name, value in fields.items():
            self._add_field(index, name, value, others[name])
        return index

    def _add_field(self, index: int, name: str, value: object, other: object) -> None:
        kind = type(value)
        if id(value) in self._shared:
            return
        if kind in _CONSTANTS or isinstance(value, Enum | type):
            if value != other:
                raise _NotCopiedError
        elif kind in _CONTAINERS or kind is tuple:
            if value != other or not _has_constants_only(cast("Collection[object]", value)):
                raise _NotCopiedError
            if kind is not tuple:
                self._containers.setdefault(id(value), (value, []))[1].append((index, name))
        elif id(value) in self._known or is_dataclass(value):
            target = self._known.get(id(value))
            self._references.append((index, name, self._add(value, other) if target is None else target))
        else:
            raise _NotCopiedError


def copies_of(first: Inference, second: Inference, shared: Sequence[object]) -> InvocationCopies | None:
    """Return copies of an unused invocation; None if it cannot be copied.

    Args:
        first: the invocation, which must not be used otherwise.
        second: another one, created with the same arguments.
        shared: objects that copies have in common, such as the tracer.
    """
    try:
        return InvocationCopies(first, second, shared)
    except _NotCopiedError:
        return None


def _has_constants_only(container: Collection[object]) -> bool:
    values: list[object] = [*container]
    if isinstance(container, dict):
        values += cast("dict[object, object]", container).values()
    return all(type(value) in _CONSTANTS for value in values)
