"""Polling until a server or another thread is done."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")


def under_load(seconds: float) -> float:
    """A bound for work of other processes: `seconds` on a quiet machine, more by the runnable processes of each core.

    The scheduler shares the cores among them, so what keeps a core busy for a second takes as many seconds as there
    are processes for that core.
    """
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def awaited(found: Callable[[], Found | None], what: str, patience: float = 120.0) -> Found:
    """What `found` returns as soon as that is true.

    Args:
        found: asked ten times a second.
        what: what is waited for, in words.
        patience: seconds; on a loaded machine things that take seconds take tens.

    Raises:
        TimeoutError: it has not become true.
    """
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        value = found()
        if value:
            return value
        time.sleep(0.1)
    raise TimeoutError(f"not there after {patience:g} s: {what}")
