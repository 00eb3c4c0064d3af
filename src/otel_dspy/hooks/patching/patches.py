"""Registry of patched attributes of DSPy, which restores the originals on `undo`."""

from __future__ import annotations

import inspect
import logging
import weakref
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.hooks.patching.capabilities import version_of
from otel_dspy.hooks.patching.dspy_spans import unbound, wrap_inside_callbacks
from otel_dspy.hooks.patching.picklable_wrapper import PicklableWrapper
from otel_dspy.hooks.patching.wrapper_frames import forwarding
from otel_dspy.hooks.patching.wrapper_order import innermost_of_others, insert_innermost, places, take_out
from otel_dspy.runtime.error_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_logger = logging.getLogger(__name__)
_ABSENT: Final = object()


class Patches:
    """Replaced attributes of classes and modules, with their originals."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []
        self._enabled: Any = [True]
        """Empty after `undo`. Every call of a wrapper reads its truth: that of a list takes no call of a function."""
        self._lacking: list[str] = []

    @property
    def active(self) -> bool:
        """False after `undo`. Wrappers that are still referenced then call the original function only."""
        return bool(self._enabled)

    def wrap(self, owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
        """Put a wrapt wrapper around `owner.name`, inside the wrappers of other instrumentations.

        A name that `owner` itself does not define is skipped and later logged by `report_missing`.

        Args:
            owner: a class or module.
            name: the attribute's name.
            wrapper: called with (wrapped function, instance, args, kwargs).
        """
        found = places(owner, name)
        if not found:
            where = getattr(owner, "__qualname__", getattr(owner, "__name__", owner))
            self.lacking(f"{where}.{name}")
        for place in found:
            self._wrap(owner, name, place, forwarding(wrapper))

    def _wrap(self, owner: Any, name: str, place: str, wrapper: Callable[..., Any]) -> None:
        original = _own(owner)[place]
        others = innermost_of_others(original)
        inside = original if others is None else others.__wrapped__
        _name_coroutines(wrapper, inside)
        wrapped: Any = wrap_inside_callbacks(inside, lambda function: self._wrapped(function, unbound(wrapper)))
        if wrapped is None:
            wrapped = self._wrapped(inside, wrapper)
        if others is None:
            setattr(owner, place, wrapped)
        else:
            insert_innermost(others, wrapped)
        # Weak references, so that a user's class can be garbage collected before its patch is undone. The wrapper's
        # is weak too, because a method that calls `super()` references its class.
        owner_reference, wrapped_reference = weakref.ref(owner), weakref.ref(wrapped)

        def put_back() -> None:
            present, ours = owner_reference(), wrapped_reference()
            if present is not None and ours is not None:
                take_out(present, name, ours)

        self._undo.append(put_back)

    def _wrapped(self, function: Any, wrapper: Callable[..., Any]) -> PicklableWrapper:
        return PicklableWrapper(function, wrapper, enabled=self._enabled)

    def wraps(self, owner: Any, name: str) -> bool:
        """Return whether `name`, as `owner` itself defines it, is wrapped by any `Patches` of this package."""
        present = _own(owner).get(name)
        while present is not None:
            if isinstance(present, PicklableWrapper):
                return True
            present = getattr(present, "__wrapped__", None)
        return False

    def replace(self, owner: Any, name: str, new: Any) -> None:
        """Set the attribute `name` of `owner` to `new`; `undo` restores the original or deletes it.

        Args:
            owner: a class or module.
            name: the attribute's name.
            new: its value until `undo`.
        """
        original = _own(owner).get(name, _ABSENT)
        setattr(owner, name, new)

        def put_back() -> None:
            if _own(owner).get(name) is not new:
                return
            if original is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, original)

        self._undo.append(put_back)

    def lacking(self, what: str) -> None:
        """Note a patch target that the installed DSPy lacks, for `report_missing`."""
        self._lacking.append(what)

    def report_missing(self) -> None:
        """Log in one line the patch targets that were missing since the last call, if any."""
        if self._lacking:
            _logger.info(
                "otel-dspy: DSPy %s lacks %s; their telemetry is not recorded, all other telemetry is",
                version_of("dspy"),
                ", ".join(dict.fromkeys(self._lacking)),
            )
            self._lacking.clear()

    def undo(self) -> None:
        """Restore the originals. Attributes that other code has replaced since are left unchanged."""
        self._enabled.clear()
        while self._undo:
            put_back = self._undo.pop()
            with guarded("taking a hook out of DSPy"):
                put_back()


def _name_coroutines(wrapper: Callable[..., Any], function: object) -> None:
    """Name the coroutines of an async wrapper after its function.

    Python names one that was never awaited, and asyncio one that still runs.
    """
    if isinstance(wrapper, FunctionType) and inspect.iscoroutinefunction(wrapper):
        wrapper.__name__ = getattr(function, "__name__", wrapper.__name__)
        wrapper.__qualname__ = getattr(function, "__qualname__", wrapper.__qualname__)


def _own(owner: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", vars(owner))
