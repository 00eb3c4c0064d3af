"""What was put into DSPy, so that it can be taken out again exactly."""

from __future__ import annotations

import logging
import weakref
from typing import TYPE_CHECKING, Any, Final, cast

import wrapt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_logger = logging.getLogger(__name__)
_ABSENT: Final = object()


class Patches:
    """The attributes of classes and modules that were replaced, with what stood there before."""

    def __init__(self) -> None:
        self._undo: list[tuple[Callable[[], Any], str, Any, Any]] = []

    def wrap(self, owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
        """Put a wrapt wrapper around `owner.name`, where `owner` itself defines it.

        A name that the installed DSPy doesn't have is told once and passed over: less is recorded, nothing breaks.
        """
        original = _own(owner).get(name)
        if original is None:
            where = getattr(owner, "__qualname__", getattr(owner, "__name__", owner))
            _logger.info("otel-dspy: this DSPy has no %s.%s; what it tells is not recorded", where, name)
            return
        self.replace(owner, name, wrapt.FunctionWrapper(original, wrapper))

    def replace(self, owner: Any, name: str, new: Any) -> None:
        """Put `new` in the place of what `owner` itself defines as `name`, if anything."""
        self._undo.append((_reference(owner), name, _own(owner).get(name, _ABSENT), new))
        setattr(owner, name, new)

    def undo(self) -> None:
        """Put back what stood there. What somebody else has replaced since is left to them."""
        while self._undo:
            reference, name, original, new = self._undo.pop()
            owner = reference()
            if owner is None or _own(owner).get(name) is not new:
                continue
            if original is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, original)


def _own(owner: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", vars(owner))


def _reference(owner: Any) -> Callable[[], Any]:
    # A class that a user defined later must be able to go before its patch is undone.
    return weakref.ref(owner)
