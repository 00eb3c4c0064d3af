"""Python's garbage collector in the process of a bridge.

A full collection visits all objects, most of which belong to imported modules: 0.1 s or more, several times a second
while a bridge writes.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

CHECK: Final = 1.0
"""Seconds between two looks at whether something has been written."""


def exclude_modules(has_written: Callable[[], bool], ended: threading.Event) -> None:
    """Wait for the first write, by which MLflow's store has been imported; what exists then is not visited again.

    Args:
        has_written: returns whether something has been written.
        ended: set when the process ends; the wait is then over.
    """
    while not ended.wait(CHECK):
        if has_written():
            gc.collect()
            gc.freeze()
            return
