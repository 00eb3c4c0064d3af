"""Gates that delay a fork while a background thread holds locks: of MLflow, of a log file, of the spool.

A child process has only the thread that forked. A lock that another thread held at that moment is never released in the
child, including the lock of a log stream, which `logging` does not recreate. Background threads therefore take such
locks only inside a gate, and a fork waits for all gates.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Final, Protocol, Self

if TYPE_CHECKING:
    from types import TracebackType

FORK_TIMEOUT: Final = 3.0
"""Seconds that a fork waits for the gates. In a child that is forked after the timeout a lock may stay held for ever;
its spans then remain in the spool.
"""


class ForkGate:
    """Mutual exclusion of a code block and a fork. Reentrant for the thread that is inside."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _all.add(self)

    def __enter__(self) -> Self:
        """Block forks."""
        self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Allow forks."""
        self._lock.release()

    def close(self, seconds: float) -> _Lock | None:
        """Close the gate. Return the lock to release, or None on timeout. A negative `seconds` means no timeout."""
        return self._lock if self._lock.acquire(timeout=seconds) else None


class _Lock(Protocol):
    """A lock; its class differs between Python versions."""

    def release(self) -> None:
        """Release the lock."""
        ...


_all: weakref.WeakSet[ForkGate] = weakref.WeakSet()
_forks = threading.local()
"""`held`: locks held by the fork in progress in this thread. Several threads may fork at the same time."""


def _before_fork() -> None:
    deadline = time.monotonic() + FORK_TIMEOUT
    locks = (gate.close(max(0.0, deadline - time.monotonic())) for gate in list(_all))
    _forks.held = [lock for lock in locks if lock is not None]


def _after_fork() -> None:
    held: list[_Lock] = getattr(_forks, "held", [])
    while held:
        held.pop().release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
