"""The end of a process: what is queued for MLflow is delivered or spooled first, and runs that are open are ended."""

from __future__ import annotations

import atexit
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.runtime import sigterm

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.mlflow.processor import MlflowSpanProcessor

_gave_up: Final[dict[MlflowSpanProcessor, bool]] = {}
"""The processors that are drained at the end, and whether one was waited for in vain already."""
_lock: Final = threading.Lock()
_registered = False


def drain(processor: MlflowSpanProcessor) -> None:
    """Drain the processor and shut it down when the process ends, by its last line, an exception or a signal."""
    with _lock:
        _gave_up.setdefault(processor, False)
    prepare()


def prepare() -> None:
    """Be there when the process ends; called on the main thread, signals included. A second call does nothing."""
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
    atexit.register(_close_all)
    sigterm.close_first(_close_all)


def shut_down(processor: MlflowSpanProcessor) -> None:
    """Drain the processor and shut it down now.

    A compile that is under way goes on, untold: its run is ended when this process is gone.
    """
    with _lock:
        _gave_up.pop(processor, None)
    processor.shutdown(end_runs=False)


def _drain_all() -> None:
    for processor, in_vain in list(_gave_up.items()):
        if not in_vain:
            _gave_up[processor] = not processor.drain()


def _close_all() -> None:
    for processor, in_vain in list(_gave_up.items()):
        processor.shutdown(wait=not in_vain)
    _keep_the_exit_status()


def _keep_the_exit_status() -> None:
    """Let a program that Ctrl-C has ended exit by SIGINT still, which a shell's loop, for one, looks at.

    CPython notes an unhandled KeyboardInterrupt in a flag that every later `eval` or `exec` of a string clears; MLflow
    and SQLAlchemy do such when they are imported or asked for the first time. Another one that ends so sets it again.
    """
    # `ps1`: at a prompt, where an earlier line was interrupted and the session ends by itself.
    if getattr(sys, "last_type", None) is KeyboardInterrupt and not hasattr(sys, "ps1"):
        with suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")  # noqa: S102 - as text, since nothing else sets the flag
