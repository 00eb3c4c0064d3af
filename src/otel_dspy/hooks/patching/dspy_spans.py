"""Wrapper placement inside DSPy's own spans (`dspy.OtelCallback`), which become the parents of this package's spans.

DSPy runs callbacks in the decorator `with_callbacks` of a method. A wrapper around the decorated method would enclose
the callbacks' spans and end after them. If DSPy has such a callback, the wrapper goes between the decorator and the
function. For other versions of DSPy the wrapper encloses the decorated method.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.hooks.patching.capabilities import part
from otel_dspy.hooks.patching.wrapper_frames import forwarding, hidden_frame

if TYPE_CHECKING:
    from collections.abc import Callable


_ORIGINAL: Final = "otel_dspy_original"
"""Attribute of a re-decorated function that holds the function it replaces."""


def wrap_inside_callbacks(present: Any, wrap: Callable[[Any], Any]) -> Any | None:
    """Wrap the function that DSPy's `with_callbacks` decorates and decorate the result.

    Returns:
        None if `present` is not decorated by it, or DSPy has no callback that makes spans.
    """
    if part("dspy:OtelCallback") is None:
        return None
    decorator: Any = part("dspy.utils.callback:with_callbacks")
    code, its_code = getattr(present, "__code__", None), getattr(decorator, "__code__", None)
    # functools.wraps copies the names of the inner function, but not its code.
    decorated = code is not None and its_code is not None and code.co_filename == its_code.co_filename
    if not decorated or not hasattr(present, "__wrapped__"):
        return None
    made = decorator(wrap(present.__wrapped__))
    setattr(made, _ORIGINAL, present)
    return made


def unbound(wrapper: Callable[..., Any]) -> Callable[..., Any]:
    """Adapt a wrapper to a function that the decorator calls with the instance as its first argument."""

    def call(wrapped: Any, _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        instance = args[0]
        with hidden_frame:
            return wrapper(wrapped.__get__(instance, type(instance)), instance, args[1:], kwargs)

    return forwarding(call)


def original_of(ours: Any) -> Any:
    """Return the function that this package's wrapper, or a function made by `wrap_inside_callbacks`, replaced."""
    # Check the type: a wrapt wrapper also exposes the attributes of the function that it wraps.
    return getattr(ours, _ORIGINAL) if type(ours) is FunctionType else ours.__wrapped__
