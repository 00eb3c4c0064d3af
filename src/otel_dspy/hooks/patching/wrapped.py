"""A wrapped function that can be copied and pickled like the function inside: wrapt's own refuses both.

What is pickled is where the function is found, so it is the plain one again wherever DSPy is not instrumented.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import wrapt
from typing_extensions import override

if TYPE_CHECKING:
    from typing import Self


class _Bound(wrapt.BoundFunctionWrapper[..., Any]):
    """A wrapped method: of an instance, or as it is looked up on a class."""

    @override
    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # As Python does with a method; on a class nothing is bound but the class itself.
        holder = self._self_instance if self._self_instance is not None else self._self_owner
        return getattr, (holder, self.__name__)

    def __copy__(self) -> Self:
        """Itself: bound to the same instance."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Bound to a copy of the instance, as Python does with a method."""
        if self._self_instance is None:
            return self
        return getattr(copy.deepcopy(self._self_instance, memo), self.__name__)


class Wrapped(wrapt.FunctionWrapper[..., Any]):
    """A wrapped function."""

    __bound_function_wrapper__ = _Bound

    @override
    def __reduce_ex__(self, protocol: Any) -> str:
        return self.__qualname__

    def __copy__(self) -> Self:
        """Itself, as every function."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself, as every function."""
        return self
