"""Waiting for what others do, a server or another thread: no longer than it takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")


def awaited(found: Callable[[], Found | None], what: str, patience: float = 20.0) -> Found:
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
