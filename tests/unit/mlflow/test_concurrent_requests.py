"""Requests that are sent at the same time."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING

import pytest

from otel_dspy.mlflow.tracking.concurrent_requests import BURST, HOLD, MAX_LIMIT, ConcurrentRequests

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT = 60.0
SUPPRESSED: ContextVar[bool] = ContextVar("suppressed", default=False)
SERVER = "http://127.0.0.1:5000"


def refused() -> None:
    """A request that the server does not accept."""
    raise ConnectionError


class Server:
    """A server whose requests take the given seconds, which no test waits for."""

    def __init__(self, seconds: Callable[[int], float]) -> None:
        self._seconds = seconds
        self._time = threading.local()
        self.requests = ConcurrentRequests(SERVER, None, lambda: False, self._now)

    def _now(self) -> float:
        return getattr(self._time, "now", 0.0)

    def limits(self, bursts: int) -> list[int]:
        """The number of requests at the same time, burst by burst."""
        found: list[int] = []
        for _ in range(bursts):
            limit = self.requests.burst // BURST
            found.append(limit)

            def request(limit: int = limit) -> None:
                self._time.now = self._now() + self._seconds(limit)

            assert all(self.requests.send([request] * self.requests.burst))
        return found


def requests(uri: str = SERVER, stopped: Callable[[], bool] = lambda: False) -> ConcurrentRequests:
    """Requests of the default workspace."""
    return ConcurrentRequests(uri, None, stopped)


def grown() -> ConcurrentRequests:
    """Requests to a distant server, as many at the same time as there may be."""
    server = Server(lambda _: 0.15)
    server.limits(5)
    return server.requests


def test_requests_overlap() -> None:
    """As many as the limit are sent at the same time: each of these waits for all others."""
    together = threading.Barrier(MAX_LIMIT)

    def meet() -> None:
        together.wait(WAIT)

    assert grown().send([meet] * MAX_LIMIT) == [True] * MAX_LIMIT


def test_requests_have_the_callers_context() -> None:
    """Each thread sees the caller's context variables, such as OpenTelemetry's suppression of instrumentations."""
    together = threading.Barrier(MAX_LIMIT)
    seen: list[bool] = []

    def look() -> None:
        together.wait(WAIT)
        seen.append(SUPPRESSED.get())

    some = grown()
    SUPPRESSED.set(True)
    some.send([look] * MAX_LIMIT)
    assert seen == [True] * MAX_LIMIT


def test_a_distant_server_has_many_requests() -> None:
    """Where the latency stays as it is, the limit doubles up to the maximum."""
    assert Server(lambda _: 0.15).limits(6) == [1, 2, 4, 8, MAX_LIMIT, MAX_LIMIT]


def test_a_server_that_does_one_thing_at_a_time_has_one_request() -> None:
    """Where two requests take twice as long as one, one is sent at a time; two are tried again after a while."""
    assert Server(lambda limit: 0.02 * limit).limits(12) == [1, 2, *[1] * (HOLD + 1), 2]


def test_a_server_that_is_busy_has_fewer_requests() -> None:
    """Beyond what it does at the same time requests wait, and the limit shrinks to what it does."""
    assert Server(lambda limit: 0.02 * max(1.0, limit / 3)).limits(5) == [1, 2, 4, 3, 3]


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "postgresql://u@host/db", "file:///var/mlruns"])
def test_a_local_store_has_one_request_at_a_time(uri: str) -> None:
    """In the calling thread, whatever succeeded before."""
    threads: list[threading.Thread] = []
    one = requests(uri)
    for _ in range(3):
        assert one.burst == BURST
        assert one.send([lambda: threads.append(threading.current_thread())] * 4) == [True] * 4
    assert set(threads) == {threading.current_thread()}


def test_a_failure_halves_the_limit() -> None:
    """Down to one."""
    some = grown()
    seen: list[int] = []
    for _ in range(5):
        seen.append(some.burst)
        some.send([refused])
    assert seen == [n * BURST for n in (MAX_LIMIT, 5, 2, 1, 1)]


def test_what_fails_is_not_attempted_again_and_ends_the_burst() -> None:
    """The caller learns which requests were accepted; those behind a failure are left to it."""
    sent: list[int] = []

    def accepted(number: int) -> Callable[[], None]:
        return lambda: sent.append(number)

    assert requests().send([accepted(0), refused, accepted(2)]) == [True, False, None]
    assert sent == [0]


def test_after_the_deadline_nothing_is_sent() -> None:
    """No request is begun once the deadline has passed."""
    sent: list[int] = []
    assert requests(stopped=lambda: bool(sent)).send([lambda: sent.append(1)] * 3) == [True, None, None]


def test_without_new_threads_the_caller_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python refuses to start threads, as 3.12.1 does at exit, all requests are sent by the calling thread."""
    grown_before = grown()

    def start(self: threading.Thread) -> None:
        raise RuntimeError(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    threads: list[threading.Thread] = []
    assert grown_before.send([lambda: threads.append(threading.current_thread())] * 9) == [True] * 9
    assert threads == [threading.current_thread()] * 9


def test_interrupts_are_not_taken_for_failures() -> None:
    """`KeyboardInterrupt` in the calling thread reaches the caller."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        requests("sqlite://").send([interrupt])


def test_a_quick_refusal_is_no_latency() -> None:
    """A connection that is refused at once does not make later requests look slow: the limit grows again."""
    server = Server(lambda _: 0.15)
    server.limits(5)
    for _ in range(4):
        server.requests.send([refused])
    assert server.limits(HOLD + 4) == [*[1] * (HOLD + 1), 2, 3, 4]
