"""SIGTERM ends a program as ever, only that what is queued is delivered or spooled first, and open runs are ended."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_closings: Final[list[Callable[[], object]]] = []


def close_first(close: Callable[[], object]) -> None:
    """Call `close` when SIGTERM comes, then let the signal do what it does by default.

    Only where nobody else handles the signal, and from the main thread; elsewhere nothing changes. Several are called
    at the same time, each on a thread of its own; a second SIGTERM ends the program at once.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if not _closings:
        if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
            return
        with suppress(ValueError):
            signal.signal(signal.SIGTERM, _handle)
    _closings.append(close)


def _handle(_signal: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Not here: the handler may have interrupted whoever holds a lock that closing needs. And no daemon: a program that
    # is about to end by itself waits for it, rather than be ended in the middle of its own last flush.
    with suppress(RuntimeError):  # from Python 3.12 on none starts in an interpreter that ends, and flushes as it does
        threading.Thread(target=_end, name="otel-dspy-sigterm", daemon=False).start()


def _end() -> None:
    threads: list[threading.Thread] = []
    for close in _closings:
        thread = threading.Thread(target=_close, args=(close,), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the main thread has ended meanwhile, and Python 3.12.0 and 3.12.1 then start none
            _close(close)
        else:
            threads.append(thread)
    for thread in threads:
        thread.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _close(close: Callable[[], object]) -> None:
    with suppress(Exception):
        close()
