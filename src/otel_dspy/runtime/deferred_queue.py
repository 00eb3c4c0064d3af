"""What a call leaves behind is done after it, in order, by a thread of ours: metrics, the content of spans, their ends.

Python runs one thread at a time, so that thread must not be felt either. It rests after a few pieces of work: whoever
comes back from a language model meanwhile has its turn within `_TURN`. From a program that computes it takes next to
nothing for half a second, in which a request is answered or an evaluation on a local model done; what lasts longer pays
as it goes. Past `_LATEST` whoever brings work helps.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.runtime.fork_gate import ForkGate
from otel_dspy.runtime.guard import guarded, report

if TYPE_CHECKING:
    from collections.abc import Callable

_DELAY: Final = 0.1
"""Seconds that work waits for company before the thread takes it, unless somebody catches up sooner."""
_TURN: Final = 1e-3
"""Seconds that the thread works before it rests; to wake it takes the processor as long as a piece or two."""
_RESTS: Final = ((0.5, 50e-3), (0.6, 500e-6))
"""Until which age of the next piece, in seconds, the thread rests for how many seconds before it; later not at all.
Any sleep lets a waiting thread have its turn; one of 0 would be over before it wakes.
"""
_LATEST: Final = 0.6
"""Seconds that work waits in a program that goes on calling. Past that whoever brings a piece does the oldest two, but
does not wait for one that is being done.
"""
_MOST: Final = 4_096
"""Pieces that wait at most. Past that whoever brings one does the oldest two, and waits for what is being done."""
_FOR_EVER: Final = -1.0


class DeferredQueue:
    """A queue of work. Thread-safe; each piece is done once, none before an earlier one has been."""

    def __init__(self) -> None:
        """Create it; its thread starts with the first piece of work and ends when nobody holds the queue any more."""
        self._waiting: deque[tuple[Any, ...]] = deque()
        """When it came, and what `put` was given."""
        self._forked()
        if hasattr(os, "register_at_fork"):
            forked = weakref.WeakMethod(self._forked)
            os.register_at_fork(after_in_child=lambda: (method := forked()) and method())
        _all.add(self)

    def put(self, part: str, work: Callable[..., object], *args: object) -> None:
        """Let work be done soon.

        Args:
            part: what a failure of it is reported as.
            work: is called with `args`. What it puts in its turn is done at once, as a part of it.
            args: must not be changed afterwards.
        """
        if self._doer == get_ident():
            with guarded(part):
                work(*args)
            return
        now = time.monotonic()
        waiting = self._waiting
        waiting.append((now, part, work, *args))
        if not self._awake.is_set():
            self._wake()
        elif len(waiting) > _MOST:
            self._do(2)
        elif self._age(now) > _LATEST:
            self._do(2, 0)

    def catch_up(self, *, last: bool = False, seconds: float | None = None) -> bool:
        """Do all that waits now, after what is being done.

        Args:
            last: also where this is called by work itself, or by a signal that came in the middle of it. Without, what
                work has flushed would be done before the rest of that work.
            seconds: begin no piece after so long; None = do it all.

        Returns:
            False if the time ran out.
        """
        if self._doer == get_ident() and not last:
            return True
        # Once at least: what is being done waits no more, but has not been done.
        pieces = len(self._waiting) or 1
        if seconds is None:
            return self._do(pieces)
        deadline = time.monotonic() + seconds
        for _ in range(pieces):
            left = deadline - time.monotonic()
            if left <= 0:
                return not self._waiting
            if not self._do(1, left):
                return False
        return True

    def _do(self, pieces: int, patience: float = _FOR_EVER) -> bool:
        """Do so many; False if what is being done has not been done for so many seconds."""
        for _ in range(pieces):
            lock = self._doing.close(patience)
            if lock is None:
                return False
            try:
                if not self._do_next():
                    break
            finally:
                lock.release()
        return True

    def _do_next(self) -> bool:
        try:
            _, part, work, *args = self._waiting.popleft()
        except IndexError:
            return False
        before, self._doer = self._doer, get_ident()
        try:
            with guarded(part):
                work(*args)
        finally:
            self._doer = before
        return True

    def _age(self, now: float) -> float:
        """How long the oldest piece has waited, in seconds."""
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
                        thread.name = "otel-dspy-later"
                        thread.start()
                        self._thread = thread
        except RuntimeError as error:
            # No more threads are to be had, which is nothing to report from an exit handler (Python 3.12.0 and 3.12.1).
            if threading.main_thread().is_alive():
                report("the thread that works after calls", error)
            self.catch_up()
            return
        _kept.add(self)
        self._awake.set()

    def _forked(self) -> None:
        # What waits is the parent's, which does it itself; its thread isn't here, whatever it may have held.
        self._waiting.clear()
        _kept.discard(self)
        self._doing = ForkGate()
        self._doer: int | None = None
        self._awake = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def works_here(self) -> bool:
        """Whether the caller is called by work that is being done."""
        return self._doer == get_ident()

    def __len__(self) -> int:
        """Pieces that wait."""
        return len(self._waiting)

    def _take_a_turn(self) -> None:
        began = now = time.monotonic()
        while now - began < _TURN and self._age(now) >= _DELAY:
            self._do(1)
            now = time.monotonic()

    def turn(self) -> None:
        """Do what waits, each piece when it is old enough, with rests, until nothing does: the thread's own way."""
        while self._waiting:
            age = self._age(time.monotonic())
            if age < _DELAY:
                time.sleep(_DELAY - age)
                continue
            rest = next((rest for until, rest in _RESTS if age < until), 0.0)
            if rest:
                time.sleep(rest)
            self._take_a_turn()
        _kept.discard(self)
        self._awake.clear()
        if self._waiting:  # brought before that, when nobody needed to wake the thread
            self._wake()


_all: weakref.WeakSet[DeferredQueue] = weakref.WeakSet()
_kept: set[DeferredQueue] = set()
"""Queues in which something waits: nobody else may hold them any more, as after an `uninstrument` during a call."""


def catch_up(*, last: bool = False, seconds: float | None = None) -> bool:
    """Do now all that waits in every queue of this process: whoever flushes something asks for this first.

    Args:
        last: nothing comes after it, as in a shutdown (see `DeferredQueue.catch_up`).
        seconds: that it may take; None = as long as it takes.

    Returns:
        False if the time ran out.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    done = [
        later.catch_up(last=last, seconds=None if deadline is None else max(0.0, deadline - time.monotonic()))
        for later in list(_all)
    ]
    return all(done)


def _run(holder: weakref.ref[DeferredQueue]) -> None:
    while (later := holder()) is not None:
        awake = later._awake  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the class' own thread
        del later
        awake.wait(60)  # and then looks whether anybody still holds the queue
        later = holder()
        if later is not None:
            try:
                later.turn()
            except BaseException as error:  # noqa: BLE001 - a redactor may end its own thread, as it thinks: not this one
                report("work after a call", error)
        later = None  # or it would keep the queue itself
