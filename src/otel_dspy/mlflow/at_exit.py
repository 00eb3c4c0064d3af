"""Exit handling: delivers or spools queued spans and ends open runs before the process ends."""

from __future__ import annotations

import atexit
import math
import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.runtime import sigterm

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.mlflow.processor import MlflowSpanProcessor

_gave_up: Final[dict[MlflowSpanProcessor, bool]] = {}
"""Processors to drain at exit, each with whether an earlier drain has timed out."""
_lock: Final = threading.Lock()
_ending = threading.RLock()
"""Held while the processors are drained or closed: a SIGTERM that arrives during the exit waits for the drain in
progress instead of beginning another. Reentrant for a signal handler of the program's own.
"""
_registered = False
_closing = False
"""Whether the process ends."""


def drain(processor: MlflowSpanProcessor) -> None:
    """Register a processor to be drained and shut down when the process ends: normally, by an exception or a signal."""
    with _lock:
        _gave_up.setdefault(processor, False)
    prepare()


def prepare() -> None:
    """Install the exit and signal handlers; call it on the main thread. Idempotent."""
    global _registered  # noqa: PLW0603 - once in a process
    with _lock:
        if _registered:
            return
        _registered = True
    # `atexit` runs after concurrent.futures has closed its pools ("cannot schedule new futures after interpreter
    # shutdown"), which artifact stores use; the interpreter's own earlier hook is private, hence the fallback.
    early = cast("Callable[[Any], None] | None", getattr(threading, "_register_atexit", None))
    if early is not None:
        early(_drain_all)
    # It may register an exit handler that ends the process, which has to run after the next.
    sigterm.close_first(_close_all)
    atexit.register(_close_all)


def shut_down(processor: MlflowSpanProcessor) -> None:
    """Drain the processor and shut it down now.

    A compile in progress continues but is no longer recorded: its run is ended once this process has exited.
    """
    with _lock:
        _gave_up.pop(processor, None)
    processor.expect_shutdown()
    processor.shutdown(end_runs=False)


def is_closing(processor: MlflowSpanProcessor) -> bool:
    """Return whether a shutdown of a processor that was registered is due to `shut_down` or to the process' end."""
    return _closing or processor not in _gave_up


def _drain_all() -> None:
    with _ending:
        for processor, in_vain in list(_gave_up.items()):
            if not in_vain:
                delivered = processor.drain()
                _gave_up[processor] = not delivered
                if delivered and _skips_exit_handlers():
                    processor.wait_for_reports(math.inf, exits=True)


def _skips_exit_handlers() -> bool:
    """Return whether this is a process of multiprocessing: forked ones end without running `_close_all`."""
    processes: Any = sys.modules.get("multiprocessing.process")
    return processes is not None and processes.parent_process() is not None


def _close_all() -> None:
    global _closing  # noqa: PLW0603 - set once, at the end of the process
    _closing = True
    with _ending:
        for processor, in_vain in list(_gave_up.items()):
            processor.expect_shutdown()
            processor.shutdown(wait=not in_vain)
    _keep_the_exit_status()


def _after_fork() -> None:
    global _ending  # noqa: PLW0603 - the thread that holds it is not in the child
    _ending = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _keep_the_exit_status() -> None:
    """Let a program that was interrupted with Ctrl-C still exit by SIGINT, which shell loops check.

    CPython notes an unhandled KeyboardInterrupt in a flag that every later `eval` or `exec` of a string clears; MLflow
    and SQLAlchemy do so on import or first use. Another unhandled KeyboardInterrupt sets it again.
    """
    # `ps1`: an interactive session, where an earlier line was interrupted and the session ends normally.
    if getattr(sys, "last_type", None) is KeyboardInterrupt and not hasattr(sys, "ps1"):
        with suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")  # noqa: S102 - as text, since nothing else sets the flag
