"""Python's garbage collector in the process of a bridge.

A full collection visits all objects, most of which belong to imported modules: 0.1 s or more, several times a second
while a bridge writes. A batch of spans, which is in memory until it is written, has more objects than Python lets be
created between two collections: each visits the same batch again.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

CHECK: Final = 1.0
"""Seconds between two looks at whether something has been written."""
THRESHOLDS: Final = (60_000, 6, 20)
"""Of `gc.set_threshold`; Python's are (700, 10, 10).

Rows of MLflow's database are deleted without a collection, so that most of the objects of a batch are gone before one.
The second number is small because what outlives one collection and is in a cycle waits for so many more of them.
"""


def exclude_modules(has_written: Callable[[], bool], ended: threading.Event) -> None:
    """Wait for the first write, by which MLflow's store has been imported; what exists then is not visited again.

    From then on there are fewer collections (`THRESHOLDS`).

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
