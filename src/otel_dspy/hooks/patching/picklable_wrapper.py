"""Function wrapper that can be copied and pickled, which wrapt's own cannot.

It is pickled by reference, so that a process without instrumentation loads the original function.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import wrapt
from typing_extensions import override

if TYPE_CHECKING:
    from typing import Self


class _Bound(wrapt.BoundFunctionWrapper[..., Any]):
    """Wrapped method, bound to an instance or looked up on a class."""

    @override
    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # Pickled like a Python method: by its instance, or by its class if it is unbound.
        holder = self._self_instance if self._self_instance is not None else self._self_owner
        return getattr, (holder, self.__name__)

    def __copy__(self) -> Self:
        """Return itself, bound to the same instance."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Return the method bound to a copy of the instance, like a Python method."""
        if self._self_instance is None:
            return self
        return getattr(copy.deepcopy(self._self_instance, memo), self.__name__)


class PicklableWrapper(wrapt.FunctionWrapper[..., Any]):
    """Function wrapper that supports copy and pickle."""

    __bound_function_wrapper__ = _Bound

    @override
    def __reduce_ex__(self, protocol: Any) -> Any:
        # By value, like cloudpickle pickles the methods of a class that cannot be imported.
        original: Any = self.__wrapped__
        if type(original) in {staticmethod, classmethod}:
            return type(original), (original.__func__,)
        by_name = hasattr(original, "__qualname__")
        return self.__qualname__ if by_name else original.__reduce_ex__(protocol)

    def __copy__(self) -> Self:
        """Return itself, like every function."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself, like every function."""
        return self
