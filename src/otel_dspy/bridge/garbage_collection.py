"""Settings of Python's garbage collector in the process of a bridge.

A full collection visits all objects, most of which belong to imported modules: 0.1 s or more, several times a second
while a bridge writes. A batch of spans is in memory until it is written. It has more objects than Python allows between
two collections, so that several collections visit the same batch.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

CHECK: Final = 1.0
"""Seconds between two checks whether something has been written."""
THRESHOLDS: Final = (60_000, 6, 20)
"""Arguments of `gc.set_threshold`; Python's defaults are (700, 10, 10).

The first number is large because most objects of a batch are freed without a collection, by their reference counts. The
second is small because cycles that survive one collection are freed only after so many more of them.
"""


def exclude_modules(has_written: Callable[[], bool], ended: threading.Event) -> None:
    """Wait for the first write, then exclude all existing objects from collections and set `THRESHOLDS`.

    By the first write, MLflow's store has been imported.

    Args:
        has_written: returns whether something has been written.
        ended: set when the process ends; the wait is then over.
    """
    while not ended.wait(CHECK):
        if has_written():
            gc.collect()
            gc.freeze()
            gc.set_threshold(*THRESHOLDS)
            return
