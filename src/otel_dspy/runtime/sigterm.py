"""SIGTERM handler that delivers or spools queued spans and ends open runs before the process terminates."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_closings: Final[list[Callable[[], object]]] = []
_received = threading.Event()


def close_first(close: Callable[[], object]) -> None:
    """Register a callback that runs on SIGTERM before the default action.

    Has no effect if the signal already has a handler, or outside the main thread. All callbacks run concurrently, each
    on its own thread. A second SIGTERM terminates the process at once.

    In an application that uvicorn imports while it serves (`--workers`, `--reload`), no callback is called: the process
    ends by the exit handlers that are registered after this call, and then by the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if not _closings:
        present = signal.getsignal(signal.SIGTERM)
        if present != signal.SIG_DFL:
            _end_normally(_uvicorn_server(present))
            return
        with suppress(ValueError):
            signal.signal(signal.SIGTERM, _handle)
    _closings.append(close)


class _Server(Protocol):
    """The part of `uvicorn.Server` that is used here."""

    should_exit: bool


def _uvicorn_server(handler: object) -> _Server | None:
    """Return the `uvicorn.Server` whose own signal handler this is; None if it is another one."""
    server: Any = getattr(handler, "__self__", None)
    server_class = getattr(sys.modules.get("uvicorn.server"), "Server", None)
    if server_class is None or not isinstance(server, server_class):
        return None
    return server if getattr(handler, "__func__", None) is getattr(server_class, "handle_exit", None) else None


def _end_normally(server: _Server | None) -> None:
    """Let a uvicorn server shut down on SIGTERM without raising the signal again, which would skip the exit handlers.

    Its `handle_exit` sets `should_exit` and notes the signal, to raise it after the shutdown with the action that the
    process had before, by default its end (`Server.capture_signals` of uvicorn 0.54).
    """
    if server is None:
        return

    def stop(_signal: int, _frame: object) -> None:
        server.should_exit = True
        _received.set()

    def end() -> None:
        if _received.is_set():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)

    atexit.register(end)
    with suppress(ValueError):
        signal.signal(signal.SIGTERM, stop)


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
