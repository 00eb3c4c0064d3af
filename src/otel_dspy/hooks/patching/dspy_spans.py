"""Spans that DSPy makes itself, in a callback (`dspy.OtelCallback`): ours go inside of them, as with other packages.

DSPy runs callbacks in the decorator `with_callbacks` of a method. A wrapper around the decorated method is around the
callbacks' spans as well, and its facts would be known when those have ended already. Where DSPy has such a callback,
the wrapper goes between the decorator and the function. The order of other DSPys stays as it is.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.hooks.patching.capabilities import part
from otel_dspy.hooks.patching.frames import drop_caller_frame, forwarding

if TYPE_CHECKING:
    from collections.abc import Callable


_ORIGINAL: Final = "otel_dspy_original"
"""The attribute of a function decorated anew that holds the function it replaces."""


def wrap_inside_callbacks(present: Any, wrap: Callable[[Any], Any]) -> Any | None:
    """Wrap the function that DSPy's `with_callbacks` decorates and decorate the result.

    Returns:
        None if `present` is not decorated by it, or DSPy has no callback that makes spans.
    """
    if part("dspy:OtelCallback") is None:
        return None
    decorator: Any = part("dspy.utils.callback:with_callbacks")
    code, its_code = getattr(present, "__code__", None), getattr(decorator, "__code__", None)
    # functools.wraps gives a decorated function every name of the one inside, but not its code.
    decorated = code is not None and its_code is not None and code.co_filename == its_code.co_filename
    if not decorated or not hasattr(present, "__wrapped__"):
        return None
    made = decorator(wrap(present.__wrapped__))
    setattr(made, _ORIGINAL, present)
    return made


def unbound(wrapper: Callable[..., Any]) -> Callable[..., Any]:
    """The wrapper for a function that is called with its instance as the first argument, as the decorator calls it."""

    def call(wrapped: Any, _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        instance = args[0]
        try:
            return wrapper(wrapped.__get__(instance, type(instance)), instance, args[1:], kwargs)
        except BaseException as error:
            drop_caller_frame(error)
            raise

    return forwarding(call)


def original_of(ours: Any) -> Any:
    """What a wrapper of ours, or a function made by `wrap_inside_callbacks`, has replaced."""
    # A wrapt wrapper passes the attribute of a function inside of it on as its own.
    return getattr(ours, _ORIGINAL) if type(ours) is FunctionType else ours.__wrapped__
