"""Wrappers that other instrumentations have put around the same method: ours stands beneath them, whoever came first.

So the spans are the same in every order, theirs around ours, and each can be taken out while the other stays. The
others take off the outermost wrapper (`opentelemetry.instrumentation.utils.unwrap`), which then is their own.

MLflow's autologging puts a function of its own in the method's place, keeps the method under another name, and puts it
back from there when it is switched off, and also when it is switched on again: whatever was put around its function is
gone then. So ours stands around both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import wrapt

from otel_dspy.hooks.patching.dspy_spans import original_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OTHERS: Final = ("opentelemetry.instrumentation.", "openinference.instrumentation.")
"""The packages whose wrappers are known to bear one beneath them. A decorator of the user's own stays inside ours."""


_KEPT_BY_MLFLOW: Final = "_gorilla_original_{}"


def places(owner: Any, name: str) -> list[str]:
    """The attributes of `owner` that a method stands under: its name, and where MLflow's autologging keeps it."""
    return [place for place in (name, _KEPT_BY_MLFLOW.format(name)) if place in vars(owner)]


def innermost_of_others(present: Any) -> Any | None:
    """The wrapper of another instrumentation that stands nearest to the method; None where there is none around it."""
    found: Any = None
    while isinstance(present, wrapt.FunctionWrapper) and _is_anothers(present):
        found = cast("Any", present)
        present = found.__wrapped__
    return found


def insert_innermost(outer: Any, wrapper: Any) -> None:
    """Let another's wrapper call ours."""
    outer.__wrapped__ = wrapper


def take_out(owner: Any, name: str, ours: Any) -> None:
    """Put the method back wherever our wrapper stands for it: as itself, or beneath another's, in subclasses too.

    A wrapper around an inherited method is put into the subclass, and there it stays.
    """
    original = original_of(ours)
    for holder, place in [(cls, place) for cls in _family(owner) for place in places(cls, name)]:
        present: Any = cast("Mapping[str, Any]", vars(holder))[place]
        if present is ours or (isinstance(present, wrapt.BoundFunctionWrapper) and present._self_parent is ours):  # noqa: SLF001 - wrapt names it so for those who read it
            setattr(holder, place, original)
            continue
        while isinstance(present, wrapt.FunctionWrapper):
            outer = cast("Any", present)
            if outer.__wrapped__ is ours:
                outer.__wrapped__ = original
                break
            present = outer.__wrapped__


def _is_anothers(wrapper: Any) -> bool:
    function = wrapper._self_wrapper  # noqa: SLF001 - wrapt names it so for those who read it
    module = getattr(function, "__module__", None)
    return isinstance(module, str) and module.startswith(_OTHERS)


def _family(owner: Any) -> Iterator[Any]:
    yield owner
    if isinstance(owner, type):
        for heir in cast("type[Any]", owner).__subclasses__():
            yield from _family(heir)
