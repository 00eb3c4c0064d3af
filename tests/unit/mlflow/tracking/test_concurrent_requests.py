"""Requests that are sent at the same time."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING

import pytest
from requests import Session

from otel_dspy.mlflow.tracking.requests.concurrency_limit import ConcurrencyLimit
from otel_dspy.mlflow.tracking.requests.concurrent_requests import ConcurrentRequests, Request
from tests.support.closing_server import closing_connections
from tests.support.latency_proxy import latency_proxy

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 15
"""Connections to a server that deliveries keep."""
WAIT = 60.0
SUPPRESSED: ContextVar[bool] = ContextVar("suppressed", default=False)
SERVER = "http://127.0.0.1:5000"


def refused() -> None:
    """A request that the server does not accept."""
    raise ConnectionError


def limits(seconds: Callable[[int], float], changes: int) -> list[int]:
    """Return the limits of requests whose latency, in seconds, depends on their number at the same time."""
    limit = ConcurrencyLimit(MOST)
    found = [limit.now]
    for _ in range(changes):
        now = limit.now
        for _ in range(now):
            limit.accepted(seconds(now))
        found.append(limit.now)
    return found


def requests(uri: str = SERVER, stopped: Callable[[], bool] = lambda: False) -> ConcurrentRequests:
    """Requests of the default workspace, on a clock that stands still: all have the same latency."""
    return ConcurrentRequests(uri, None, stopped, lambda: 1.0)


def grown() -> ConcurrentRequests:
    """Requests to a distant server, as many at the same time as there may be."""
    some = requests()
    for _ in range(10):
        assert all(some.send([Request(lambda: None)] * 100))
    assert some.limit == MOST
    return some


def test_requests_overlap() -> None:
    """As many as the limit are sent at the same time: each of these waits for all others."""
    together = threading.Barrier(MOST)

    def meet() -> None:
        together.wait(WAIT)

    assert grown().send([Request(meet)] * MOST) == [True] * MOST


def test_requests_have_the_callers_context() -> None:
    """Each thread sees the caller's context variables, such as OpenTelemetry's suppression of instrumentations."""
    together = threading.Barrier(MOST)
    seen: list[bool] = []

    def look() -> None:
        together.wait(WAIT)
        seen.append(SUPPRESSED.get())

    some = grown()
    SUPPRESSED.set(True)
    some.send([Request(look)] * MOST)
    assert seen == [True] * MOST


def test_a_distant_server_has_many_requests() -> None:
    """Where the latency stays as it is, the limit doubles up to the maximum."""
    assert limits(lambda _: 0.15, 5) == [1, 2, 4, 8, MOST, MOST]


def test_a_server_that_does_one_thing_at_a_time_has_two_requests() -> None:
    """Of two requests one waits in the server while this process computes the next; more are not sent."""
    assert limits(lambda now: 0.02 * now, 4) == [1, 2, 2, 2, 2]


def test_the_limit_does_not_stay_at_one() -> None:
    """The first request was answered faster than any later one, and two are sent all the same."""
    limit = ConcurrencyLimit(MOST)
    limit.accepted(0.001)
    limit.failed()
    limit.accepted(0.1)
    assert limit.now == 2


def test_a_server_that_is_busy_has_fewer_requests() -> None:
    """Beyond what it does at the same time requests wait, and the limit shrinks to what it does and a half more."""
    assert limits(lambda now: 0.02 * max(1.0, now / 3), 5) == [1, 2, 4, 8, 5, 5]


def test_a_distant_server_that_does_one_thing_at_a_time() -> None:
    """150 ms away, 15 ms each: ten requests are on their way, and none waits."""
    assert limits(lambda now: max(0.165, 0.015 * now), 5) == [1, 2, 4, 8, MOST, MOST]


def after_round_trips(round_trip: float, handling: float, shortest: float, trips: int) -> list[int]:
    """Return the limits at the start and after each round trip to a server that handles one request after the other.

    As many requests as the limit are sent at once. The first one of each connection is not measured, since it opens it.

    Args:
        round_trip: seconds.
        handling: seconds of the server for each request.
        shortest: seconds of the first request.
        trips: number of round trips.
    """
    limit = ConcurrencyLimit(MOST)
    limit.accepted(shortest)
    found, opened = [limit.now], 1
    for _ in range(trips):
        now = limit.now
        for place in range(min(now, opened)):
            limit.accepted(round_trip + handling * (place + 1))
        opened = max(opened, now)
        found.append(limit.now)
    return found


def test_the_limit_grows_with_each_request() -> None:
    """A distant server has the maximum after four round trips, although connections are opened on the way."""
    assert after_round_trips(0.15, 0.0, 0.15, 5) == [2, 3, 5, 8, 13, MOST]


def test_a_distant_server_keeps_the_maximum() -> None:
    """150 ms away, 11 ms each: no ten requests wait longer than half a round trip."""
    assert after_round_trips(0.15, 0.011, 0.161, 8)[-4:] == [MOST] * 4


def test_a_near_server_is_not_overrun() -> None:
    """It handles a request in 15 ms; the limit shrinks as soon as requests have waited for others."""
    assert after_round_trips(0.0, 0.015, 0.015, 6) == [2, 3, 5, 4, 3, 3, 3]


def test_a_slow_first_request_is_corrected() -> None:
    """The program still computed when it was sent: its latency is three times that of the next."""
    assert after_round_trips(0.0, 0.015, 0.045, 6) == [2, 3, 5, 4, 3, 3, 3]


def test_the_limit_grows_again_after_a_failure() -> None:
    """It is halved, and grows by one each time."""
    limit = ConcurrencyLimit(10)
    seen: list[int] = []
    for _ in range(30):
        limit.accepted(0.15)
    limit.failed()
    for _ in range(5 + 6 + 7):
        limit.accepted(0.15)
        seen.append(limit.now)
    assert seen == [5] * 4 + [6] * 6 + [7] * 7 + [8]


def test_a_request_waits_for_those_before_it() -> None:
    """The others are sent meanwhile, also those behind it."""
    behind = threading.Event()
    sent: list[str] = []

    def first() -> None:
        assert behind.wait(WAIT)
        sent.append("first")

    some = [Request(first), Request(lambda: sent.append("second"), after=[0]), Request(behind.set)]
    assert grown().send(some) == [True, True, True]
    assert sent == ["first", "second"]


def test_what_a_failure_precedes_is_not_attempted() -> None:
    """A trace's spans are not sent without its info."""
    sent: list[str] = []
    assert grown().send([Request(refused), Request(lambda: sent.append("second"), after=[0])]) == [False, None]
    assert sent == []


def test_large_requests_do_not_count() -> None:
    """Spans of a hundred traces take longer than one trace's info, whatever the limit."""
    time = threading.local()

    def large() -> None:
        time.now = getattr(time, "now", 0.0) + 10.0

    some = ConcurrentRequests(SERVER, None, lambda: False, lambda: getattr(time, "now", 1.0))
    for _ in range(10):
        some.send([*[Request(lambda: None)] * 100, Request(large, measured=False)])
    assert some.limit == MOST


def test_what_is_sent_beside_a_large_request_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Infos wait in the server while it stores spans of a hundred traces: no reason to send fewer of them afterwards."""
    latencies: list[float] = []
    some = grown()

    def accepted(_: ConcurrencyLimit, latency: float) -> None:
        latencies.append(latency)

    monkeypatch.setattr(ConcurrencyLimit, "accepted", accepted)
    infos = threading.Semaphore(0)

    def large() -> None:
        assert all(infos.acquire(timeout=WAIT) for _ in range(40))

    assert all(some.send([Request(large, measured=False), *[Request(infos.release)] * 40]))
    assert latencies == []
    assert all(some.send([Request(lambda: None)] * 40))
    assert latencies


def test_the_limit_is_the_number_of_connections_that_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLFLOW_HTTP_POOL_MAXSIZE where it is set: beyond it, each request would open a connection."""
    monkeypatch.setenv("MLFLOW_HTTP_POOL_MAXSIZE", "3")
    some = requests()
    for _ in range(10):
        some.send([Request(lambda: None)] * 100)
    assert some.limit == 3


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "postgresql://u@host/db", "file:///var/mlruns"])
def test_a_local_store_has_one_request_at_a_time(uri: str) -> None:
    """In the calling thread, whatever succeeded before."""
    threads: list[threading.Thread] = []
    one = requests(uri)
    for _ in range(3):
        assert one.limit == 1
        assert one.send([Request(lambda: threads.append(threading.current_thread()))] * 4) == [True] * 4
    assert set(threads) == {threading.current_thread()}


def test_a_failure_halves_the_limit() -> None:
    """Down to one."""
    some = grown()
    seen: list[int] = []
    for _ in range(5):
        seen.append(some.limit)
        some.send([Request(refused)])
    assert seen == [MOST, 7, 3, 1, 1]


def test_a_closed_connection_is_no_failure() -> None:
    """The request is attempted once more at once; the limit stays, and the requests behind it are sent."""
    errors: list[Exception] = [ConnectionResetError(), BrokenPipeError()]

    def closed_once(error: Exception) -> None:
        if error in errors:
            errors.remove(error)
            raise RuntimeError("API request failed") from error

    closed = [Request(partial(closed_once, error)) for error in errors]
    some = grown()
    assert some.send([*closed, *[Request(lambda: None)] * 20]) == [True] * 22
    assert errors == []
    assert some.limit == MOST


def test_a_server_that_closes_every_connection_fails() -> None:
    """Two attempts, then the caller's retry; the limit is halved."""
    attempts: list[int] = []

    def closed() -> None:
        attempts.append(1)
        raise ConnectionResetError

    some = grown()
    assert some.send([Request(closed)]) == [False]
    assert len(attempts) == 2
    assert some.limit == MOST // 2


def test_a_distant_server_closes_a_connection_while_a_request_is_on_its_way() -> None:
    """As uvicorn does once it was idle for 5 s: all requests are accepted."""
    with closing_connections(0.05) as port, latency_proxy(f"http://127.0.0.1:{port}", 0.2) as uri:
        session = Session()

        def post() -> None:
            session.post(f"{uri}/", timeout=WAIT).raise_for_status()

        # One after the other: a second attempt could otherwise get another connection that is about to be closed.
        some = [Request(post), Request(post, after=[0]), Request(post, after=[1])]
        assert requests().send(some) == [True] * 3


def test_what_fails_is_not_attempted_again_and_ends_the_burst() -> None:
    """The caller learns which requests were accepted; those behind a failure are left to it."""
    sent: list[int] = []

    def accepted(number: int) -> Request:
        return Request(lambda: sent.append(number))

    assert requests("sqlite://").send([accepted(0), Request(refused), accepted(2)]) == [True, False, None]
    assert sent == [0]


def test_after_the_deadline_nothing_is_sent() -> None:
    """No request is begun once the deadline has passed."""
    sent: list[int] = []
    some = requests("sqlite://", lambda: bool(sent))
    assert some.send([Request(lambda: sent.append(1))] * 3) == [True, None, None]


def test_without_new_threads_the_caller_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python refuses to start threads, as 3.12.1 does at exit, all requests are sent by the calling thread."""
    grown_before = grown()

    def start(self: threading.Thread) -> None:
        raise RuntimeError(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    threads: list[threading.Thread] = []
    assert grown_before.send([Request(lambda: threads.append(threading.current_thread()))] * 9) == [True] * 9
    assert threads == [threading.current_thread()] * 9


def test_interrupts_are_not_taken_for_failures() -> None:
    """`KeyboardInterrupt` in the calling thread reaches the caller."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        requests("sqlite://").send([Request(interrupt)])


def test_an_interrupt_ends_the_other_threads() -> None:
    """What waits for the interrupted request is not attempted, and the threads of the others end."""
    sent: list[int] = []
    before = set(threading.enumerate())
    main = threading.current_thread()
    begun = threading.Event()

    def interrupt() -> None:
        if threading.current_thread() is main:
            begun.set()
            raise KeyboardInterrupt
        begun.wait(WAIT)

    some = [*[Request(interrupt)] * MOST, Request(lambda: sent.append(1), after=range(MOST))]  # one is this thread's
    with pytest.raises(KeyboardInterrupt):
        grown().send(some)
    for thread in set(threading.enumerate()) - before:
        thread.join(WAIT)
        assert not thread.is_alive()
    assert sent == []
