"""No fork while a thread of ours holds what a child would need: MLflow's locks, a log file's, the spool's.

A child has only the thread that forked. A lock which another thread holds at that moment stays held in it for ever, the
lock inside a log's stream too, which `logging` does not make anew. So our threads do such things inside a gate, and a
fork waits at all gates.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Final, Protocol, Self

if TYPE_CHECKING:
    from types import TracebackType

PATIENCE: Final = 3.0
"""Seconds that a fork waits for what is under way. A child that is forked in its middle may find a lock held for ever:
then its spans stay in the spool.
"""


class ForkGate:
    """A block of this gate's and a fork exclude each other. May be entered again by the thread that is inside."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _all.add(self)

    def __enter__(self) -> Self:
        """Keep forks out."""
        self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let forks in."""
        self._lock.release()

    def close(self, seconds: float) -> _Lock | None:
        """Keep everybody out; the lock to release later, None if somebody stayed inside for so long."""
        return self._lock if self._lock.acquire(timeout=seconds) else None


class _Lock(Protocol):
    """A lock, whatever its class is called in this Python."""

    def release(self) -> None:
        """Let go of it."""
        ...


_all: weakref.WeakSet[ForkGate] = weakref.WeakSet()
_forks = threading.local()
"""`held`: locks that this thread's fork under way holds. Several may fork at once."""


def _before_fork() -> None:
    deadline = time.monotonic() + PATIENCE
    locks = (gate.close(max(0.0, deadline - time.monotonic())) for gate in list(_all))
    _forks.held = [lock for lock in locks if lock is not None]


def _after_fork() -> None:
    held: list[_Lock] = getattr(_forks, "held", [])
    while held:
        held.pop().release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
