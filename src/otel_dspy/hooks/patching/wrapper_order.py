"""Order of wrappers when other instrumentations wrap the same method: this package's wrapper is always the innermost.

The span hierarchy then does not depend on the order of installation, and each instrumentation can be removed alone.
The others remove the outermost wrapper (`opentelemetry.instrumentation.utils.unwrap`), which is always their own.

MLflow's autologging replaces the method by its own function, keeps the original under another attribute, and restores
it from there when autologging is disabled or enabled again, which discards every wrapper around its function. Both
attributes are therefore wrapped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import wrapt

from otel_dspy.hooks.patching.dspy_spans import original_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OTHERS: Final = ("opentelemetry.instrumentation.", "openinference.instrumentation.")
"""Packages whose wrappers support another wrapper inside. A user's decorator stays inside this package's wrapper."""


_KEPT_BY_MLFLOW: Final = "_gorilla_original_{}"


def places(owner: Any, name: str) -> list[str]:
    """Return the attributes of `owner` that hold a method: its name, and the one that MLflow's autologging sets."""
    return [place for place in (name, _KEPT_BY_MLFLOW.format(name)) if place in vars(owner)]


def innermost_of_others(present: Any) -> Any | None:
    """Return the innermost wrapper of another instrumentation around the method; None if there is none."""
    found: Any = None
    while isinstance(present, wrapt.FunctionWrapper) and _is_anothers(present):
        found = cast("Any", present)
        present = found.__wrapped__
    return found


def insert_innermost(outer: Any, wrapper: Any) -> None:
    """Set `wrapper` as the function that the wrapper `outer` of another instrumentation calls."""
    outer.__wrapped__ = wrapper


def take_out(owner: Any, name: str, ours: Any) -> None:
    """Restore the original method wherever this package's wrapper replaced it, in subclasses too.

    If another instrumentation wraps the wrapper, its wrapper calls the original method afterwards. A wrapper that
    another instrumentation put around an inherited method remains in the subclass.

    Args:
        owner: the class or module that was patched.
        name: the method's name.
        ours: the wrapper of this package.
    """
    original = original_of(ours)
    for holder, place in [(cls, place) for cls in _family(owner) for place in places(cls, name)]:
        present: Any = cast("Mapping[str, Any]", vars(holder))[place]
        if present is ours or (isinstance(present, wrapt.BoundFunctionWrapper) and present._self_parent is ours):  # noqa: SLF001 - wrapt's public protocol
            setattr(holder, place, original)
            continue
        while isinstance(present, wrapt.FunctionWrapper):
            outer = cast("Any", present)
            if outer.__wrapped__ is ours:
                outer.__wrapped__ = original
                break
            present = outer.__wrapped__


def _is_anothers(wrapper: Any) -> bool:
    function = wrapper._self_wrapper  # noqa: SLF001 - wrapt's public protocol
    module = getattr(function, "__module__", None)
    return isinstance(module, str) and module.startswith(_OTHERS)


def _family(owner: Any) -> Iterator[Any]:
    yield owner
    if isinstance(owner, type):
        for heir in cast("type[Any]", owner).__subclasses__():
            yield from _family(heir)
