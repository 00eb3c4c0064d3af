"""Requests that are sent at the same time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from otel_dspy.mlflow.tracking.concurrent_requests import BURST, FIRST_LIMIT, MAX_LIMIT, ConcurrentRequests

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT = 60.0
SERVER = "http://127.0.0.1:5000"


def refused() -> None:
    """A request that the server does not accept."""
    raise ConnectionError


def requests(uri: str = SERVER, stopped: Callable[[], bool] = lambda: False) -> ConcurrentRequests:
    """Requests of the default workspace."""
    return ConcurrentRequests(uri, None, stopped)


def test_requests_overlap() -> None:
    """As many as the limit are sent at the same time: each of these waits for all others."""
    together = threading.Barrier(FIRST_LIMIT)
    assert requests().send([lambda: together.wait(WAIT) and None] * FIRST_LIMIT) == [True] * FIRST_LIMIT


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "postgresql://u@host/db", "/tmp/mlruns"])  # noqa: S108 - a name
def test_a_local_store_has_one_request_at_a_time(uri: str) -> None:
    """In the calling thread, whatever succeeded before."""
    threads: list[threading.Thread] = []
    one = requests(uri)
    for _ in range(3):
        assert one.burst == 1
        assert one.send([lambda: threads.append(threading.current_thread())] * 4) == [True] * 4
    assert set(threads) == {threading.current_thread()}


def test_the_limit_follows_the_server() -> None:
    """One more after each burst that succeeds, up to the maximum; half after one that does not, down to one."""
    some = requests()
    seen: list[int] = []
    for request in [lambda: None] * 8 + [refused] * 5 + [lambda: None] * 2:
        seen.append(some.burst)
        some.send([request])
    assert seen == [n * BURST for n in (4, 5, 6, 7, 8, 9, MAX_LIMIT, MAX_LIMIT, MAX_LIMIT, 5, 2)] + [1, 1, 1, 2 * BURST]


def test_what_fails_is_not_attempted_again_and_ends_the_burst() -> None:
    """The caller learns which requests were accepted; those behind a failure are left to it."""
    sent: list[int] = []

    def accepted(number: int) -> Callable[[], None]:
        return lambda: sent.append(number)

    one = requests()
    for _ in range(3):
        one.send([refused])
    assert one.burst == 1
    assert one.send([accepted(0), refused, accepted(2)]) == [True, False, False]
    assert sent == [0]


def test_after_the_deadline_nothing_is_sent() -> None:
    """No request is begun once the deadline has passed."""
    sent: list[int] = []
    assert requests(stopped=lambda: bool(sent)).send([lambda: sent.append(1)] * 40).count(True) <= FIRST_LIMIT
    assert 1 <= len(sent) <= FIRST_LIMIT


def test_without_new_threads_the_caller_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python refuses to start threads, as 3.12.1 does at exit, all requests are sent by the calling thread."""

    def start(self: threading.Thread) -> None:
        raise RuntimeError(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    threads: list[threading.Thread] = []
    assert requests().send([lambda: threads.append(threading.current_thread())] * 9) == [True] * 9
    assert threads == [threading.current_thread()] * 9


def test_interrupts_are_not_taken_for_failures() -> None:
    """`KeyboardInterrupt` in the calling thread reaches the caller."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        requests("sqlite://").send([interrupt])
