"""Wrapping of methods in classes that cloudpickle loads by value, such as those of a notebook.

cloudpickle creates such a class without its methods and sets them afterwards. Where the process has the class already,
it sets its methods anew, which replaces wrappers by the functions that they wrap.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.hooks.patching.patches import Patches

_CLOUDPICKLE: Final = "cloudpickle.cloudpickle"
"""Imported by DSPy, of which it is a dependency."""
_SET_STATE: Final = "_class_setstate"


def after_unpickling(patches: Patches, base: type[Any], wrap_again: Callable[[type[Any]], None]) -> None:
    """Call `wrap_again` with each subclass of `base` whose attributes cloudpickle has set, until `undo`.

    Args:
        patches: records the change of cloudpickle for `undo`.
        base: the base class.
        wrap_again: wraps what the class defines itself, unless it is wrapped.
    """
    cloudpickle = sys.modules.get(_CLOUDPICKLE)
    original: Callable[[Any, Any], Any] | None = getattr(cloudpickle, _SET_STATE, None)
    if original is None:
        return

    # Pickles name the function by its module and its name: in a process without otel-dspy that is cloudpickle's own.
    @functools.wraps(original)
    def set_state(cls: Any, state: Any) -> Any:
        found = original(cls, state)
        if patches.active and isinstance(cls, type) and issubclass(cls, base):
            wrap_again(cls)
        return found

    patches.replace(cloudpickle, _SET_STATE, set_state)
