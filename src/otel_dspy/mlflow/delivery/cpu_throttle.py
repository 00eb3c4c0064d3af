"""The processor belongs to the program: what is told to MLflow is told while the program waits for its model.

Python runs one thread at a time. A delivering thread that takes whatever it can get would take half of it from a
program that computes, and each time the program comes back from its model it would wait for its turn (5 ms,
`sys.getswitchinterval`). So this one takes what the program leaves, and next to nothing when it leaves little.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST: Final = 0.05
"""Part of one processor that is taken in any case, so that runs stay live."""
MOST: Final = 0.6
"""Part of one processor that the program and we may use together before we step back."""
IDLE: Final = 0.1
"""Part of one processor that a program may use and still count as waiting."""
WINDOW: Final = 0.05
"""Seconds over which use is measured, at least."""
LONGEST: Final = 0.5
"""Seconds of one rest, at most."""


class CpuThrottle:
    """How long a thread should rest. Asked by that thread alone."""

    def __init__(
        self,
        wall: Callable[[], float] = time.monotonic,
        all_threads: Callable[[], float] = time.process_time,
        own: Callable[[], float] = time.thread_time,
    ) -> None:
        """Create it.

        Args:
            wall: seconds that have gone by.
            all_threads: processor seconds that the process has used.
            own: processor seconds that the calling thread has used.
        """
        self._wall, self._all, self._own = wall, all_threads, own
        self._since: tuple[float, float, float] | None = None
        self._rested = 0.0

    def rest(self) -> float:
        """Seconds to rest now; 0 where the program leaves room."""
        now = self._wall(), self._all(), self._own()
        if self._since is None:
            self._since = now
            return 0.0
        elapsed, used, own = (after - before for after, before in zip(now, self._since, strict=True))
        if elapsed < WINDOW:
            return 0.0
        self._since = now
        program = (used - own) / elapsed
        # While both want it they get half each: that alone would look as if the program wanted no more.
        share = 1.0 if program < IDLE else max(LEAST, MOST - program)
        self._rested = min(LONGEST, max(0.0, own / share - (elapsed - self._rested)))
        return self._rested
