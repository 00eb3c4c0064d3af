"""Polling until a server or another thread is done."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")
PATIENCE: Final = 120.0
"""Seconds after which what is waited for counts as never coming: on a loaded machine things that take seconds take tens."""


def under_load(seconds: float) -> float:
    """A bound for work of other processes: `seconds` on a quiet machine, more by the runnable processes of each core.

    The scheduler shares the cores among them, so what keeps a core busy for a second takes as many seconds as there
    are processes for that core.
    """
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def awaited(found: Callable[[], Found | None], what: str, patience: float = PATIENCE) -> Found:
    """What `found` returns as soon as that is true.

    Args:
        found: asked ten times a second.
        what: what is waited for, in words.
        patience: seconds.

    Raises:
        TimeoutError: it has not become true.
    """
    deadline = time.monotonic() + patience
    while True:
        is_last = time.monotonic() >= deadline
        if value := found():
            return value
        if is_last:
            raise TimeoutError(f"not there after {patience:g} s: {what}")
        time.sleep(0.1)
