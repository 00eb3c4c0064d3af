"""SIGTERM ends a program as ever, only that what is queued is delivered or spooled first."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def drain_first(drain: Callable[[], None]) -> None:
    """Call `drain` on a thread of its own when SIGTERM comes, then let the signal do what it does by default.

    Only where nobody else handles the signal, and from the main thread; elsewhere nothing changes, and the spool has
    all but the last second. A second SIGTERM ends the program at once.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        return

    def end() -> None:
        with suppress(Exception):
            drain()
        os.kill(os.getpid(), signal.SIGTERM)

    def handle(_signal: int, _frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # Not here: the handler may have interrupted whoever holds a lock that draining needs.
        threading.Thread(target=end, name="otel-dspy-sigterm", daemon=True).start()

    with suppress(ValueError):
        signal.signal(signal.SIGTERM, handle)
