"""Stack frames of wrappers: attributed to DSPy in warnings, and removed from tracebacks.

DSPy attributes a deprecation warning to the first frame outside of the modules named `dspy.…`
(`dspy/clients/_deprecation.py` of 3.4.1). A wrapper's frame lies between DSPy's and the user's. Under its own module
name it would receive the warning, and Python would hide it: by default it shows only warnings of `__main__`.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_Function = TypeVar("_Function", bound="Callable[..., Any]")

context_of: Final[Callable[[BaseException], BaseException | None]] = vars(BaseException)["__context__"].__get__
"""Returns an exception's `__context__`. The attribute of a user's class may raise; this does not call it."""
_traceback_of: Final[Callable[[BaseException], TracebackType | None]] = vars(BaseException)["__traceback__"].__get__

MODULE: Final = "dspy.otel_dspy"
"""Module name of the wrappers' frames."""


def forwarding(function: _Function) -> _Function:
    """Return a copy of the function whose frames have a `__name__` below `dspy`.

    Anything but a Python function is returned unchanged. The function's module must be fully loaded, because the
    globals that it uses are copied now.
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
    """Remove the frame that caught `error`, a wrapper's, from its traceback.

    Agents pass a tool's traceback to the model. With frames of this package the prompt would differ from that of an
    uninstrumented program and miss DSPy's cache. A bare `raise`, and the end of a `with` block, do not add the frame
    again (CPython 3.11 to 3.13).
    """
    caught = _traceback_of(error)
    if caught is not None and caught.tb_next is not None:
        BaseException.with_traceback(error, caught.tb_next)


class _HiddenFrame:
    """Context manager for a wrapper's call of the original: its frame is in no traceback, see `drop_caller_frame`."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Remove the frame that the block is in from the traceback of an exception, which propagates."""
        if error is not None:
            drop_caller_frame(error)


hidden_frame: Final = _HiddenFrame()
"""Context manager without state; `with hidden_frame:` around a wrapper's call of the original."""
