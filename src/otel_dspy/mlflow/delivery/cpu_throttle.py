"""CPU throttle: delivery uses only the CPU time that the application leaves idle.

Python runs one thread at a time. An unthrottled delivery thread would take half of the CPU time of a program that
computes, and the program would wait for the interpreter lock (5 ms, `sys.getswitchinterval`) each time its model
responds. The throttle limits the thread to the idle share, and to a small minimum when there is none.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST: Final = 0.05
"""Fraction of one CPU core that delivery always uses, so that runs stay live."""
MOST: Final = 0.6
"""Fraction of one CPU core that the program and delivery may use together before delivery pauses."""
IDLE: Final = 0.1
"""Fraction of one CPU core below which the program counts as idle."""
WINDOW: Final = 0.05
"""Minimum length of a measurement window, in seconds."""
LONGEST: Final = 0.5
"""Maximum length of one pause, in seconds."""


class CpuThrottle:
    """Computes how long a thread should pause. Used by that thread only."""

    def __init__(
        self,
        wall: Callable[[], float] = time.monotonic,
        all_threads: Callable[[], float] = time.process_time,
        own: Callable[[], float] = time.thread_time,
    ) -> None:
        """Create a throttle.

        Args:
            wall: returns the elapsed seconds.
            all_threads: returns the CPU seconds that the process has used.
            own: returns the CPU seconds that the calling thread has used.
        """
        self._wall, self._all, self._own = wall, all_threads, own
        self._since: tuple[float, float, float] | None = None
        self._rested = 0.0

    def rest(self) -> float:
        """Return the seconds to pause now; 0 if the program leaves CPU time idle."""
        now = self._wall(), self._all(), self._own()
        if self._since is None:
            self._since = now
            return 0.0
        elapsed, used, own = (after - before for after, before in zip(now, self._since, strict=True))
        if elapsed < WINDOW:
            return 0.0
        self._since = now
        program = (used - own) / elapsed
        # If both compete, each gets half, which would look as if the program needed no more.
        share = 1.0 if program < IDLE else max(LEAST, MOST - program)
        self._rested = min(LONGEST, max(0.0, own / share - (elapsed - self._rested)))
        return self._rested
