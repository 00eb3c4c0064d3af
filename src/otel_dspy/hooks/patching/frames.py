"""Frames of ours: those that DSPy takes for its own, and those that no traceback shows.

DSPy lays a deprecation at the user's line: at the first frame outside of the modules named `dspy.…`
(`dspy/clients/_deprecation.py` of 3.4.1). A wrapper stands between the two, and under its own module's name it would
draw the warning on itself, which Python then hides: by default it shows only those of `__main__`.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Function = TypeVar("_Function", bound="Callable[..., Any]")

MODULE: Final = "dspy.otel_dspy"
"""The module that such a frame says it is of."""


def forwarding(function: _Function) -> _Function:
    """The same function, in whose frames `__name__` is one of DSPy's. Anything but a Python function stays as it is.

    Its module must be loaded wholly: the names that it uses are looked up now.
    """
    if not isinstance(function, FunctionType):
        return function
    names = function.__globals__
    used = {name: names[name] for name in (*function.__code__.co_names, "__builtins__") if name in names}
    made: Any = FunctionType(
        function.__code__, used | {"__name__": MODULE}, function.__name__, function.__defaults__, function.__closure__
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def drop_caller_frame(error: BaseException) -> None:
    """Take the frame that caught `error`, a wrapper's, out of its traceback; to be called before it is raised again.

    Agents give a tool's traceback to the model: with frames of ours the model would be asked something else than
    without us, and DSPy's cache would not know the question. A bare `raise`, and the end of a `with` block, add no
    entry for the frame again (CPython 3.11 to 3.13).
    """
    caught = error.__traceback__
    if caught is not None and caught.tb_next is not None:
        BaseException.with_traceback(error, caught.tb_next)
