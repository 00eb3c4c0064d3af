"""Memory that a call takes."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_TIMES: Final = 3


def peak_memory(call: Callable[[], object]) -> int:
    """The most bytes at a time that Python allocates during a call: the least of three calls.

    Other threads of the process, such as those that earlier tests have left, allocate too: that only adds to it.
    """
    return min(_peak(call) for _ in range(_TIMES))


def _peak(call: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
