"""Wrapping of a method in a base class and in every subclass that overrides it, including classes defined later."""

from __future__ import annotations

from functools import partialmethod
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.hooks.patching.unpickled_classes import after_unpickling
from otel_dspy.runtime.error_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from otel_dspy.hooks.patching.patches import Patches

_INNER: Final[Mapping[type, str]] = {classmethod: "__func__", partialmethod: "func"}
"""Attribute of a descriptor that contains its function."""


def wrap_with_subclasses(
    patches: Patches, base: type[Any], name: str, wrapper_for: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> None:
    """Wrap the method `name` in `base` and in every subclass that overrides it, including classes defined later.

    Those that cloudpickle loads by value are included.

    Args:
        patches: records the wrappers for `undo`.
        base: the base class.
        name: the method's name.
        wrapper_for: returns the wrapt wrapper for the function that a class defines.
    """

    def wrap_again(cls: type[Any]) -> None:
        with guarded(f"wrapping {cls.__name__}.{name}"):
            if not patches.wraps(cls, name):
                _wrap_own(patches, cls, name, wrapper_for)

    for cls in _family(base):
        with guarded(f"wrapping {cls.__name__}.{name}"):  # a class may reject new attributes
            _wrap_own(patches, cls, name, wrapper_for)
    _wrap_new_classes(patches, base, name, wrapper_for)
    after_unpickling(patches, base, wrap_again)


def _wrap_own(
    patches: Patches, cls: type[Any], name: str, wrapper_for: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> None:
    own = vars(cls).get(name)
    function = _function(own)
    if callable(function):
        patches.wrap(cls, name, wrapper_for(function))


def _function(own: object) -> Any:
    """Return the function of a class method or a partial method, which are callable only once they are bound."""
    while (inner := getattr(own, _INNER.get(type(own), ""), None)) is not None:
        own = inner
    return own


def _family(base: type[Any]) -> Iterator[type[Any]]:
    seen: set[type[Any]] = set()
    waiting = [base]
    while waiting:
        cls = waiting.pop()
        if cls not in seen:
            seen.add(cls)
            yield cls
            waiting.extend(cls.__subclasses__())


def _wrap_new_classes(
    patches: Patches, base: type[Any], name: str, wrapper_for: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> None:
    original = vars(base).get("__init_subclass__")

    def init_subclass(cls: type[Any], **kwargs: Any) -> None:
        if original is not None:
            original.__get__(None, cls)(**kwargs)
        else:
            super(base, cls).__init_subclass__(**kwargs)
        if patches.active:
            with guarded(f"wrapping {cls.__name__}.{name}"):
                _wrap_own(patches, cls, name, wrapper_for)

    patches.replace(base, "__init_subclass__", classmethod(init_subclass))
