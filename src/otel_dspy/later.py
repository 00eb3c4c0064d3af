"""What a call leaves behind is done after it, in order, by a thread of ours: metrics, the content of spans, their ends.

Python runs one thread at a time, so that thread must not be felt either. It rests after each piece of work: whoever
comes back from a language model meanwhile has its turn within one piece. From a program that never waits it gets a
hundredth of the processor, and half of it once it is behind by the last of `_RESTS`.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from threading import get_ident
from typing import TYPE_CHECKING, Final

from otel_dspy.fork_gate import ForkGate
from otel_dspy.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

_DELAY: Final = 0.1
"""Seconds that work waits for company before the thread takes it, unless somebody catches up sooner."""
_RESTS: Final = ((0.3, 1e-3), (0.5, 50e-6))
"""Until how many seconds after that the thread rests for how many seconds between two pieces; later it rests no more.
Any sleep lets a waiting thread have its turn; one of 0 would be over before it wakes.
"""
_MOST: Final = 4_096
"""Pieces that wait at most. Past that whoever brings one does the oldest two, and so waits itself."""


class Later:
    """A queue of work. Thread-safe; each piece is done once, none before an earlier one has been."""

    def __init__(self) -> None:
        """Create it; its thread starts with the first piece of work and ends when nobody holds the queue any more."""
        self._waiting: deque[tuple[str, Callable[..., object], tuple[object, ...]]] = deque()
        self._doing = ForkGate()
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
        self._waiting.append((part, work, args))
        if not self._awake.is_set():
            self._wake()
        elif len(self._waiting) > _MOST:
            self._do(2)

    def catch_up(self, *, last: bool = False) -> None:
        """Do all that waits now.

        Args:
            last: also where this is called by work itself, or by a signal that came in the middle of it. Without, what
                work has flushed would be done before the rest of that work.
        """
        if last or self._doer != get_ident():
            self._do(len(self._waiting))

    def _do(self, pieces: int) -> None:
        for _ in range(pieces):
            if not self._do_one():
                return

    def _do_one(self) -> bool:
        with self._doing:
            try:
                part, work, args = self._waiting.popleft()
            except IndexError:
                return False
            before, self._doer = self._doer, get_ident()
            try:
                with guarded(part):
                    work(*args)
            finally:
                self._doer = before
        return True

    def _wake(self) -> None:
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=_run, args=(weakref.ref(self),), daemon=True)
                    self._thread.name = "otel-dspy-later"
                    self._thread.start()
        self._awake.set()

    def _forked(self) -> None:
        # What waits is the parent's, which does it itself; its thread isn't here.
        self._waiting.clear()
        self._doer: int | None = None
        self._awake = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        """Pieces that wait."""
        return len(self._waiting)

    def turn(self) -> None:
        """Do all that waits now, piece by piece, with rests: the thread's own way."""
        self._awake.clear()
        began = time.monotonic()
        for _ in range(len(self._waiting)):
            if not self._do_one():
                return
            behind = time.monotonic() - began
            rest = next((rest for until, rest in _RESTS if behind < until), 0.0)
            if rest:
                time.sleep(rest)


_all: weakref.WeakSet[Later] = weakref.WeakSet()


def catch_up(*, last: bool = False) -> None:
    """Do now all that waits in every queue of this process: whoever flushes something asks for this first.

    Args:
        last: nothing comes after it, as in a shutdown (see `Later.catch_up`).
    """
    for later in list(_all):
        later.catch_up(last=last)


def _run(holder: weakref.ref[Later]) -> None:
    while (later := holder()) is not None:
        awake = later._awake  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the class' own thread
        del later
        awake.wait(60)  # and then looks whether anybody still holds the queue
        time.sleep(_DELAY)
        later = holder()
        if later is not None:
            later.turn()
