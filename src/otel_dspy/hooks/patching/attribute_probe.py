"""Descriptor that observes reads of an attribute which DSPy sets on its instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable


class AttributeProbe:
    """Descriptor on a class. The value of each instance stays in the instance's `__dict__`."""

    def __init__(self, name: str, read: Callable[[Any, Any], Any]) -> None:
        """Create a descriptor, to be set as the class attribute `name`.

        Args:
            name: name of the attribute.
            read: receives the instance and its value; returns what the reader of the attribute gets.
        """
        self._name = name
        self._read = read

    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        """Return what `read` makes of the instance's value.

        Raises:
            AttributeError: the instance has no value.
        """
        if instance is None:
            return self
        try:
            value: Any = cast("dict[str, Any]", vars(instance))[self._name]
        except KeyError:
            message = f"{type(instance).__name__!r} object has no attribute {self._name!r}"
            raise AttributeError(message, name=self._name, obj=instance) from None
        return self._read(instance, value)

    def __set__(self, instance: Any, value: Any) -> None:
        """Set the instance's value."""
        vars(instance)[self._name] = value

    def __delete__(self, instance: Any) -> None:
        """Delete the instance's value."""
        del vars(instance)[self._name]
