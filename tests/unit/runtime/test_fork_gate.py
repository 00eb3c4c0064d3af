"""A fork happens between two things that our threads do, never in the middle of one."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from otel_dspy.runtime import fork_gate
from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    import pytest


def forked(gate: ForkGate, inside: threading.Event) -> int:
    """Fork; the child's exit code: 1 where a thread was inside the gate at the fork, 2 where the child can't enter."""
    child = os.fork()
    if child == 0:
        entered = gate.close(1.0)
        os._exit(1 if inside.is_set() else 0 if entered is not None else 2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_fork_waits_until_a_thread_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the thread holds inside is free in the child, and the gate is open there."""
    monkeypatch.setattr(fork_gate, "FORK_TIMEOUT", 60.0)
    gate, inside, entered = ForkGate(), threading.Event(), threading.Event()

    def work() -> None:
        with gate:
            inside.set()
            entered.set()
            time.sleep(0.3)
            inside.clear()

    thread = threading.Thread(target=work)
    thread.start()
    entered.wait()
    assert forked(gate, inside) == 0
    thread.join()
    assert forked(gate, inside) == 0


def test_a_fork_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that stays inside is left behind after the patience is over: the program must go on."""
    monkeypatch.setattr(fork_gate, "FORK_TIMEOUT", 0.1)
    gate, inside, leave = ForkGate(), threading.Event(), threading.Event()

    def work() -> None:
        with gate:
            inside.set()
            leave.wait()

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait()
    assert forked(gate, inside) == 1
    leave.set()
    thread.join()


def test_threads_that_fork_at_once_open_their_own_gates_alone() -> None:
    """What one thread's fork has closed stays closed when another one's is over."""
    gate = ForkGate()
    closed, over = threading.Event(), threading.Event()

    def fork() -> None:
        fork_gate._before_fork()
        closed.set()
        over.wait()
        fork_gate._after_fork()

    thread = threading.Thread(target=fork)
    thread.start()
    closed.wait()
    fork_gate._after_fork()
    assert gate.close(0) is None
    over.set()
    thread.join()
    lock = gate.close(0)
    assert lock is not None
    lock.release()
