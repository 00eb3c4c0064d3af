"""Sends independent requests at the same time, so that a distant MLflow costs one round trip for many."""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking import http_policy, workspaces
from otel_dspy.runtime.fork_gate import ForkGate
from otel_dspy.tracking_uri import is_server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_LIMIT: Final = 10
"""Most requests at the same time: the connections that MLflow's HTTP client keeps (`MLFLOW_HTTP_POOL_MAXSIZE`)."""
BURST: Final = 4
"""Requests of a burst for each one at the same time."""
FEW_QUEUED: Final = 0.5
MANY_QUEUED: Final = 0.9
"""Requests that wait in the server below which the limit grows, and from which it shrinks."""
HOLD: Final = 8
"""Bursts after one in which requests waited until the limit grows again."""


class _Caller(threading.local):
    """CPU seconds that threads have spent on requests of the calling thread."""

    seconds: float = 0.0


_caller: Final = _Caller()


def cpu_seconds() -> float:
    """Return the CPU seconds of the calling thread and of the threads that have sent its requests."""
    return time.thread_time() + _caller.seconds


class ConcurrentRequests:
    """Requests to one tracking server, each attempted once. The caller retries those that fail.

    The number of requests at the same time follows the latency, as in TCP Vegas (Brakmo and Peterson, 1995): of `limit`
    requests, `limit * (1 - shortest latency / present latency)` wait in the server. The limit doubles until some do,
    then grows and shrinks by one; a failure halves it. A server that does one thing at a time thus has one request
    at a time, a distant one `MAX_LIMIT`.
    """

    def __init__(
        self,
        tracking_uri: str,
        workspace: str | None,
        stopped: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create a sender.

        Args:
            tracking_uri: the server. Requests to a local store are sent one after the other: a database connection
                has no latency to hide, and sqlite has one writer.
            workspace: workspace of all requests; None for the default one.
            stopped: returns whether to send no further request: the deadline has passed, or others come first.
            clock: returns seconds, to measure latencies.
        """
        self._clock = clock
        self._stopped = stopped
        self._workspace = workspace
        self._most = MAX_LIMIT if is_server(tracking_uri) else 1
        self._limit = 1
        self._waited = False
        """Whether requests have waited in the server, so that the limit grows by one and no longer doubles."""
        self._hold = 0
        """Bursts until the limit may grow."""
        self._shortest = float("inf")
        """Shortest latency of a request, in seconds."""

    @property
    def burst(self) -> int:
        """Number of requests to give to `send`."""
        return self._limit * BURST

    def send(self, requests: Sequence[Callable[[], None]]) -> list[bool | None]:
        """Attempt requests until one fails; return for each whether it was accepted, None if it was not attempted.

        Args:
            requests: functions that send one request each and raise if it is not accepted. They are called in any
                order, in several threads.
        """
        waiting = deque(enumerate(requests))
        accepted: list[bool | None] = [None] * len(requests)
        latencies: list[float] = []

        def send_waiting() -> None:
            gate = ForkGate()  # one for each thread: a gate lets in one at a time
            while waiting and not self._stopped():
                try:
                    number, request = waiting.popleft()
                except IndexError:
                    return
                began = self._clock()
                accepted[number] = self._attempt(request, gate)
                if accepted[number]:
                    latencies.append(self._clock() - began)
                else:
                    waiting.clear()

        seconds: list[float] = []
        threads = _started(send_waiting, min(self._limit, len(requests)) - 1, seconds)
        send_waiting()
        for thread in threads:
            thread.join()
        _caller.seconds += sum(seconds)
        self._adapt(latencies, failed=False in accepted)
        return accepted

    def _adapt(self, latencies: Sequence[float], *, failed: bool) -> None:
        if failed:
            self._shrink(self._limit // 2)
            return
        if not latencies:
            return
        self._shortest = min(self._shortest, *latencies)
        queued = self._limit * (1 - self._shortest / (statistics.fmean(latencies) or 1.0))
        if self._limit > 1 and queued >= MANY_QUEUED:
            self._shrink(self._limit - 1)
        elif self._hold:
            self._hold -= 1
        elif queued < FEW_QUEUED:
            self._limit = min(self._limit + 1 if self._waited else self._limit * 2, self._most)

    def _shrink(self, limit: int) -> None:
        self._limit = max(1, limit)
        self._waited, self._hold = True, HOLD

    def _attempt(self, request: Callable[[], None], gate: ForkGate) -> bool:
        try:
            with gate, http_policy.no_retries(0), workspaces.selected(self._workspace):
                request()
        except Exception:  # noqa: BLE001 - the caller's retry reports what MLflow says
            return False
        return True


def _started(work: Callable[[], None], count: int, seconds: list[float]) -> list[threading.Thread]:
    """Start threads; fewer, or none, where Python starts no more of them, as 3.12.0 and 3.12.1 at exit.

    Args:
        work: what each thread runs.
        count: number of threads.
        seconds: receives the CPU seconds of each.
    """

    def timed() -> None:
        work()
        seconds.append(time.thread_time())

    # No `ThreadPoolExecutor`: its threads are joined at exit, however long a server takes to answer.
    # Each has a copy of the caller's context, which keeps instrumentations of HTTP clients from tracing the requests.
    threads = [
        threading.Thread(target=copy_context().run, args=[timed], name="otel-dspy-mlflow-request", daemon=True)
        for _ in range(count)
    ]
    for number, thread in enumerate(threads):
        try:
            thread.start()
        except RuntimeError:
            return threads[:number]
    return threads
