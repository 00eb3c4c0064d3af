"""Background queue for work that need not finish before the instrumented call returns.

The work (content serialization, span end, metrics) runs in FIFO order on a daemon thread. Python runs one thread at a
time, so the thread sleeps after each run slice of `_TURN` seconds, and other threads get the interpreter within that
time. For half a second, enough for a request or an evaluation on a local model, it uses next to no CPU; after that it
runs more often. Items older than `LATEST` are also run by the threads that submit new ones.
"""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections import deque
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.runtime.error_guard import report
from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    from collections.abc import Callable

DELAY: Final = 0.1
"""Minimum age in seconds before the thread runs an item, so that items are batched; a drain runs them earlier."""
_TURN: Final = 1e-3
"""Run slice: seconds that the thread works before it sleeps, and that a drain keeps other threads from running items.
A wake-up costs as much CPU as one or two items.
"""
_BUSY: Final = 5e-3
"""Sleep in seconds while another thread runs items. A thread that waited for the lock instead would be woken after each
of them, which costs both threads more CPU than the item.
"""
_RESTS: Final = ((0.5, 50e-3), (0.6, 500e-6))
"""(age limit of the oldest item, sleep before the next run slice), in seconds; no sleep beyond the last limit.
Any sleep above 0 lets a waiting thread run; a sleep of 0 ends before that thread wakes.
"""
LATEST: Final = 0.6
"""Age in seconds of the oldest item from which a submitting thread runs the oldest two items itself, without waiting
for one that is running.
"""
MAX_WAITING: Final = 4_096
"""Maximum queue length. Beyond it a submitting thread runs the oldest two items and waits for one that is running."""
_FOR_EVER: Final = -1.0


class DeferredQueue:
    """FIFO queue of deferred work. Thread-safe; each item runs exactly once, in order of submission."""

    def __init__(self) -> None:
        """Create the queue. Its thread starts with the first item and ends when the queue is garbage-collected."""
        self._waiting: deque[tuple[Any, ...]] = deque()
        """(time of submission, part, work, arguments)."""
        self._forked()
        if hasattr(os, "register_at_fork"):
            forked = weakref.WeakMethod(self._forked)
            os.register_at_fork(after_in_child=lambda: (method := forked()) and method())
        _all.add(self)

    def submit(self, part: str, work: Callable[..., object], *args: object) -> None:
        """Submit work.

        Args:
            part: name of the work in the report of a failure.
            work: called with `args`. Work that it submits itself runs at once.
            args: arguments of `work`; must not be changed afterwards.
        """
        if self.doer is not None and self.doer == get_ident():
            try:  # no `guarded`, whose two methods take longer than a measurement's lookup
                work(*args)
            except Exception as error:  # noqa: BLE001 - reported
                report(part, error)
            return
        now = time.monotonic()
        waiting = self._waiting
        waiting.append((now, part, work, args))
        if not self._is_awake:
            self._wake()
        elif len(waiting) > MAX_WAITING:
            self._do(2)
        else:
            try:  # as in `_age`, without a call of a function
                age = now - waiting[0][0]
            except IndexError:
                return
            if age > LATEST:
                self._do(2, 0)

    def drain(self, *, last: bool = False, seconds: float | None = None) -> bool:
        """Drain the queue: run all queued items now, after the one that is running.

        Args:
            last: drain also if the caller is an item of this queue, or a signal handler that interrupted one. Without
                it such a call does nothing, because later items would run before the rest of the current one.
            seconds: start no item after this time; None = no limit.

        Returns:
            False on timeout.
        """
        if self.doer == get_ident() and not last:
            return True
        # At least once: an item that is running is no longer queued, but has not finished.
        pieces = len(self._waiting) or 1
        return self._do(pieces, until=math.inf if seconds is None else time.monotonic() + seconds)

    def _do(self, pieces: int, timeout: float = _FOR_EVER, until: float = math.inf) -> bool:
        """Run up to `pieces` items.

        Args:
            pieces: the number of items.
            timeout: seconds to wait for an item that another thread runs; negative = no limit.
            until: start no item after this time, of `time.monotonic`, and do not wait any longer.

        Returns:
            False on timeout.
        """
        now = time.monotonic()
        while pieces > 0:
            if now >= until:
                return not self._waiting
            lock = self._doing.close(timeout if until == math.inf else until - now)
            if lock is None:
                return False
            try:
                now = time.monotonic()
                pieces -= self._do_until(min(until, now + _TURN), pieces)
                now = time.monotonic()
            finally:
                lock.release()
            if not self._waiting:
                return True
        return True

    def _do_until(self, end: float, pieces: float, youngest: float = math.inf) -> int:
        """Run items; the caller has closed the gate.

        Args:
            end: start no item after this time, of `time.monotonic`.
            pieces: the maximum number of items.
            youngest: run no item that was submitted after this time.

        Returns:
            The number of items that were run.
        """
        waiting, done = self._waiting, 0
        before, self.doer = self.doer, get_ident()
        try:
            while done < pieces and time.monotonic() < end:
                try:
                    if waiting[0][0] > youngest:
                        break
                    _, part, work, args = waiting.popleft()
                except IndexError:  # also where a signal handler has drained the queue
                    break
                done += 1
                try:
                    work(*args)
                except Exception as error:  # noqa: BLE001 - reported
                    report(part, error)
        finally:
            self.doer = before
        return done

    def _age(self, now: float) -> float:
        """Return the age of the oldest item in seconds."""
        try:
            return now - self._waiting[0][0]
        except IndexError:
            return 0.0

    def _wake(self) -> None:
        try:
            if self._thread is None:
                with self._starting:
                    if self._thread is None:
                        thread = threading.Thread(target=_run, args=(weakref.ref(self),), daemon=True)
                        thread.name = "otel-dspy-deferred"
                        thread.start()
                        self._thread = thread
        except RuntimeError as error:
            # No thread can be started. Not reported in an exit handler, where that is normal (Python 3.12.0, 3.12.1).
            if threading.main_thread().is_alive():
                report("the deferred queue's thread", error)
            self.drain()
            return
        _kept.add(self)
        self._is_awake = True
        self._awake.set()

    def _forked(self) -> None:
        # The queued items belong to the parent, which runs them. Its thread and the locks it held do not exist here.
        self._waiting.clear()
        _kept.discard(self)
        self._doing = ForkGate()
        self.doer: int | None = None
        """Ident of the thread that runs an item; None while none does."""
        self._awake = threading.Event()
        self._is_awake = False
        """Whether `_awake` is set or about to be: each submission reads it, and `is_set` is a function of Python."""
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        """Return the number of queued items."""
        return len(self._waiting)

    def _take_a_turn(self) -> bool:
        """Run items for `_TURN` seconds. Return False if another thread runs some."""
        lock = self._doing.close(0)
        if lock is None:
            return False
        try:
            now = time.monotonic()
            self._do_until(now + _TURN, math.inf, youngest=now - DELAY)
        finally:
            lock.release()
        return True

    def run_slice(self) -> None:
        """Run items as they reach the minimum age, with sleeps between run slices, until the queue is empty."""
        while self._waiting:
            age = self._age(time.monotonic())
            if age < DELAY:
                time.sleep(DELAY - age)
                continue
            rest = next((rest for until, rest in _RESTS if age < until), 0.0)
            if rest:
                time.sleep(rest)
            if not self._take_a_turn():
                time.sleep(_BUSY)
        _kept.discard(self)
        self._awake.clear()
        self._is_awake = False  # afterwards, so that no submission relies on a wake-up that has just been cleared
        if self._waiting:  # submitted before the flag was cleared, so that no wake-up was sent
            self._wake()


_all: weakref.WeakSet[DeferredQueue] = weakref.WeakSet()
_kept: set[DeferredQueue] = set()
"""Strong references to non-empty queues: after an `uninstrument` during a call there may be no other reference."""


def drain_deferred(*, last: bool = False, seconds: float | None = None) -> bool:
    """Drain every queue of this process. Called before each flush.

    Args:
        last: True at shutdown (see `DeferredQueue.drain`).
        seconds: timeout; None = no limit.

    Returns:
        False on timeout.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    done = [
        queue.drain(last=last, seconds=None if deadline is None else max(0.0, deadline - time.monotonic()))
        for queue in list(_all)
    ]
    return all(done)


def _run(holder: weakref.ref[DeferredQueue]) -> None:
    while (queue := holder()) is not None:
        awake = queue._awake  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the class' own thread
        del queue
        awake.wait(60)  # then check whether the queue still exists
        queue = holder()
        if queue is not None:
            try:
                queue.run_slice()
            except BaseException as error:  # noqa: BLE001 - a user's redactor may raise SystemExit: the thread survives
                report("deferred work", error)
        queue = None  # drop the reference while waiting
