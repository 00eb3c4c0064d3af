"""State that an optimizer's hook keeps for the duration of a compile, by typed keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

_Value = TypeVar("_Value")


class StateKey(Generic[_Value]):
    """Key of a value in `HookState`, compared by identity: keys of different hooks never collide."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        """Create a key.

        Args:
            name: shown in its `repr`.
        """
        self._name = name

    def __repr__(self) -> str:
        """Return the key's name, for debuggers."""
        return f"StateKey({self._name!r})"


class HookState:
    """Values by key. It belongs to a compile scope and is released with it."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[StateKey[Any], Any] = {}

    def get(self, key: StateKey[_Value]) -> _Value | None:
        """Return the key's value; None if it is not set."""
        return cast("_Value | None", self._values.get(key))

    def set(self, key: StateKey[_Value], value: _Value) -> _Value:
        """Set the key's value and return it."""
        self._values[key] = value
        return value

    def get_or_create(self, key: StateKey[_Value], create: Callable[[], _Value]) -> _Value:
        """Return the key's value; if it is not set, set what `create` returns.

        If several threads find it unset, each calls `create`; all of them get the value that was set first.
        """
        if key not in self._values:
            return cast("_Value", self._values.setdefault(key, create()))
        return cast("_Value", self._values[key])

    def pop(self, key: StateKey[_Value]) -> _Value | None:
        """Remove the key's value and return it; None if it is not set."""
        return cast("_Value | None", self._values.pop(key, None))
