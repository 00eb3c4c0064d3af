"""What calls leave behind: all of it is done, in order, once, by the thread or by the first caller that drains."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
import weakref
from typing import Any

import pytest

from otel_dspy.runtime import deferred_queue as module
from otel_dspy.runtime import fork_gate
from otel_dspy.runtime.deferred_queue import DeferredQueue, drain_deferred
from tests.support.waiting import awaited


def _threads() -> int:
    return sum(thread.name == "otel-dspy-deferred" for thread in threading.enumerate())


def test_it_is_done_soon_and_in_order() -> None:
    """Without a call of `drain` the thread does it all, the first piece first."""
    done: list[int] = []
    queue = DeferredQueue()
    for number in range(100):
        queue.submit("a test", done.append, number)
    awaited(lambda: len(done) == 100, "all of it")
    assert done == list(range(100))


def test_work_is_done_when_drain_returns() -> None:
    """All that was put before is done when `drain` returns, of every queue."""
    done: list[str] = []
    one, other = DeferredQueue(), DeferredQueue()
    one.submit("a test", done.append, "one")
    other.submit("a test", done.append, "other")
    drain_deferred()
    assert sorted(done) == ["one", "other"]


def test_threads_that_catch_up_at_once_do_each_piece_once_and_in_order() -> None:
    """Four threads at the same time: no piece of one comes before its earlier ones, and none is done twice."""
    done: list[tuple[int, int]] = []
    queue = DeferredQueue()

    def work(name: int) -> None:
        for number in range(300):
            queue.submit("a test", done.append, (name, number))
            if number % 10 == 0:
                queue.drain()

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queue.drain()
    assert [[number for by, number in done if by == name] for name in range(4)] == [list(range(300))] * 4


def test_a_failure_takes_nothing_with_it(caplog: pytest.LogCaptureFixture) -> None:
    """An exception of one piece is not raised; it is logged with the name of its part."""
    done: list[int] = []
    queue = DeferredQueue()
    queue.submit("a broken part", lambda: 1 / 0)
    queue.submit("a test", done.append, 1)
    queue.drain()
    assert done == [1]
    assert "a broken part failed and was skipped" in caplog.text


def test_a_full_queue_makes_its_callers_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound a caller that submits more runs the oldest work itself: memory is bounded, nothing dropped, the order kept."""
    monkeypatch.setattr(module, "MAX_WAITING", 10)
    monkeypatch.setattr(module, "DELAY", 60)
    done: list[int] = []
    queue = DeferredQueue()
    for number in range(100):
        queue.submit("a test", done.append, number)
        assert number - len(done) <= 10
    assert done == list(range(len(done)))
    queue.drain()
    assert done == list(range(100))


def test_work_of_work_is_a_part_of_it() -> None:
    """What a piece puts is done before the next one, and a piece that asks to catch up doesn't wait for itself."""
    done: list[str] = []
    queue = DeferredQueue()

    def outer() -> None:
        queue.submit("a test", done.append, "inner")
        queue.drain()
        done.append("outer")

    queue.submit("a test", outer)
    queue.submit("a test", done.append, "next")
    queue.drain()
    assert done == ["inner", "outer", "next"]


def test_a_signal_during_work_loses_none_of_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM ends a process from wherever its main thread is: the last catching up does what comes after, once."""
    monkeypatch.setattr(threading.Thread, "start", _no_start)  # or the queue's thread could come before this one
    done: list[str] = []
    queue = DeferredQueue()

    def interrupt(_number: int, _frame: object) -> None:
        queue.drain(last=True)

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        queue.submit("a test", lambda: signal.raise_signal(signal.SIGUSR1) or done.append("interrupted"))
        queue.submit("a test", done.append, "rest")
        queue.drain()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert done == ["rest", "interrupted"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, and then each rest: no thread but the test's does anything, and rests take the time that they take."""
    recorded = [0.0]
    here, sleep, monotonic = threading.get_ident(), time.sleep, time.monotonic

    # Threads that other tests have left have a time of their own: else they would rest here.
    def rest(seconds: float) -> None:
        if threading.get_ident() != here:
            sleep(seconds)
            return
        recorded.append(seconds)
        recorded[0] += seconds

    monkeypatch.setattr(threading.Thread, "start", _no_start)
    monkeypatch.setattr(module.time, "monotonic", lambda: recorded[0] if threading.get_ident() == here else monotonic())
    monkeypatch.setattr(module.time, "sleep", rest)
    return recorded


def _no_start(_thread: threading.Thread) -> None:
    pass


def test_the_thread_works_in_turns(clock: list[float]) -> None:
    """A thread that returns from a model runs within a millisecond, as long as no piece takes longer by itself."""
    queue = DeferredQueue()
    rests: list[int] = []

    def takes(seconds: float) -> None:
        clock[0] += seconds
        rests.append(clock.count(0.05))

    for _ in range(7):
        queue.submit("a test", takes, 0.4e-3)
    queue.run_slice()
    assert rests == [1, 1, 1, 2, 2, 2, 3]


def test_the_thread_rests_between_turns_until_it_is_behind(clock: list[float]) -> None:
    """The longer work has waited, the less it rests."""
    queue = DeferredQueue()

    def takes(seconds: float) -> None:
        clock[0] += seconds

    for _ in range(8):
        queue.submit("a test", takes, 0.1)
    queue.run_slice()
    assert len(queue) == 0
    assert clock[1:] == [0.1, 0.05, 0.05, 0.05, 500e-6]


def test_a_submitter_runs_work_that_has_waited_too_long(clock: list[float]) -> None:
    """A program that leaves the thread no time does the work itself: nothing of it stays for longer than 0.6 seconds."""
    done: list[float] = []
    queue = DeferredQueue()
    for number in range(100):
        queue.submit("a test", done.append, clock[0])
        clock[0] += 0.01
        if number > 61:
            assert clock[0] - done[-1] <= 0.65
    assert done == sorted(done)


def test_a_long_piece_blocks_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flush to a server that hangs is such a piece: the program's calls go on, and what they leave is done after it."""
    monkeypatch.setattr(module, "LATEST", 0.05)
    done: list[int] = []
    begun, go_on = threading.Event(), threading.Event()
    queue = DeferredQueue()

    def long() -> None:
        begun.set()
        go_on.wait()

    queue.submit("a test", long)
    begun.wait()
    for number in range(20):
        queue.submit("a test", done.append, number)
        time.sleep(0.01)
    assert done == []
    go_on.set()
    queue.drain()
    assert done == list(range(20))


def test_the_thread_does_not_wait_for_a_thread_that_drains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each item of the drain would wake it up, which costs more than the item."""
    monkeypatch.setattr(module, "DELAY", 0.0)
    close = fork_gate.ForkGate.close
    waits: list[float] = []
    done: list[int] = []
    queue = DeferredQueue()

    def recorded(gate: fork_gate.ForkGate, seconds: float) -> Any:
        if threading.current_thread().name == "otel-dspy-deferred":
            waits.append(seconds)
        return close(gate, seconds)

    def takes(number: int) -> None:
        if number == 0:
            awaited(lambda: waits, "the thread's first look")
        time.sleep(0.02)
        done.append(number)

    monkeypatch.setattr(fork_gate.ForkGate, "close", recorded)
    for number in range(20):
        queue.submit("a test", takes, number)
    queue.drain()
    assert done == list(range(20))
    assert not any(waits)


def test_a_flush_waits_for_what_is_being_done() -> None:
    """The last piece is under way in the thread, nothing waits any more: it has been done when `drain` returns."""
    done: list[str] = []
    begun = threading.Event()
    queue = DeferredQueue()

    def long() -> None:
        begun.set()
        time.sleep(0.3)
        done.append("long")

    queue.submit("a test", long)
    begun.wait()
    assert queue.drain()
    assert done == ["long"]


def test_a_flush_takes_no_longer_than_it_may() -> None:
    """A piece that takes long is not waited for past the time given, and the rest is done later."""
    done: list[int] = []
    begun, go_on = threading.Event(), threading.Event()
    queue = DeferredQueue()

    def long() -> None:
        begun.set()
        go_on.wait()

    queue.submit("a test", long)
    begun.wait()
    queue.submit("a test", done.append, 1)
    assert not drain_deferred(seconds=0.05)
    assert not drain_deferred(seconds=0)
    go_on.set()
    assert drain_deferred(seconds=60)
    assert done == [1]


@pytest.mark.usefixtures("only_own_garbage")
def test_the_thread_ends_with_its_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue without references is released, thread and all, once its work is done."""
    before, done, released = _threads(), list[int](), threading.Event()
    queue = DeferredQueue()
    queue.submit("a test", done.append, 1)
    awaited(lambda: done == [1], "it")
    queue.submit("a test", released.wait)
    queue.submit("a test", done.append, 2)
    gone = weakref.ref(queue)
    del queue
    gc.collect()
    released.set()
    awaited(lambda: done == [1, 2], "the rest")
    monkeypatch.setattr(module, "DELAY", 0.01)
    awaited(lambda: _threads() <= before, "the thread's end")
    awaited(lambda: gone() is None, "the queue's end")


def test_without_a_thread_the_work_is_done_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where no more threads are to be had nothing raises and nothing waits; the next piece asks for one again."""
    done: list[tuple[int, str]] = []
    queue = DeferredQueue()

    def do(number: int) -> None:
        done.append((number, threading.current_thread().name))

    here = threading.current_thread().name
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", _no_thread)
        queue.submit("a test", do, 1)
        assert done == [(1, here)]
        queue.submit("a test", do, 2)
        assert done == [(1, here), (2, here)]
    assert "the deferred queue's thread failed" in caplog.text
    queue.submit("a test", do, 3)
    awaited(lambda: len(done) == 3, "all of it")
    assert done[2] == (3, "otel-dspy-deferred")


def _no_thread(_thread: threading.Thread) -> None:
    message = "can't start new thread"
    raise RuntimeError(message)


def test_a_fork_in_the_middle_of_a_long_piece_leaves_the_child_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork does not wait for ever; what the parent's thread holds then is not held in the child."""
    monkeypatch.setattr(fork_gate, "FORK_TIMEOUT", 0.1)
    done: list[str] = []
    begun, go_on = threading.Event(), threading.Event()
    queue = DeferredQueue()

    def long() -> None:
        begun.set()
        go_on.wait()

    queue.submit("a test", long)
    begun.wait()
    child = os.fork()
    if child == 0:
        queue.submit("a test", done.append, "child's")
        os._exit(0 if queue.drain(seconds=60) and done == ["child's"] else 1)
    go_on.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_forked_child_leaves_the_parents_work_to_it() -> None:
    """What waits at a fork is done by the parent alone; the child's own queue works, with a thread of its own."""
    done: list[str] = []
    queue = DeferredQueue()
    queue.submit("a test", done.append, "before")
    child = os.fork()
    if child == 0:
        done.clear()  # the parent's thread may have come before the fork
        queue.submit("a test", done.append, "child's")
        deadline = time.monotonic() + 60
        while "child's" not in done and time.monotonic() < deadline:
            time.sleep(0.01)
        os._exit(0 if done == ["child's"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    queue.drain()
    assert done == ["before"]
