"""SIGTERM handler that delivers or spools queued spans and ends open runs before the process terminates."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_closings: Final[list[Callable[[], object]]] = []
_received = threading.Event()


def close_first(close: Callable[[], object]) -> None:
    """Register a callback that runs on SIGTERM before the default action.

    Has no effect if the signal already has a handler, or outside the main thread. All callbacks run concurrently, each
    on its own thread. A second SIGTERM terminates the process at once.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if not _closings:
        if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
            return
        with suppress(ValueError):
            signal.signal(signal.SIGTERM, _handle)
    _closings.append(close)


def received() -> bool:
    """Whether the process is being terminated by the signal, which the handler here has received."""
    return _received.is_set()


def _handle(_signal: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _received.set()
    # On a thread, because the handler may have interrupted code that holds a lock that a callback needs. Not a daemon,
    # so that a program that is exiting waits for it and is not terminated during its own last flush.
    with suppress(RuntimeError):  # from Python 3.12 on no thread starts during interpreter exit, which flushes anyway
        threading.Thread(target=_end, name="otel-dspy-sigterm", daemon=False).start()


def _end() -> None:
    threads: list[threading.Thread] = []
    for close in _closings:
        thread = threading.Thread(target=_close, args=(close,), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the main thread has ended, and Python 3.12.0 and 3.12.1 then start no thread
            _close(close)
        else:
            threads.append(thread)
    for thread in threads:
        thread.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _close(close: Callable[[], object]) -> None:
    with suppress(Exception):
        close()
