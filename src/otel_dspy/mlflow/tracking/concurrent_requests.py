"""Sends independent requests at the same time, so that a distant MLflow costs one round trip for many."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking import http_policy, workspaces
from otel_dspy.runtime.fork_gate import ForkGate
from otel_dspy.tracking_uri import is_server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FIRST_LIMIT: Final = 4
MAX_LIMIT: Final = 10
"""Requests at the same time, at first and at most. MLflow's HTTP client keeps at most 10 connections
(`MLFLOW_HTTP_POOL_MAXSIZE`); `mlflow server` has 4 worker processes.
"""
BURST: Final = 4
"""Requests of a burst for each one at the same time."""


class _Lanes:
    """CPU time of the threads that send requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        with self._lock:
            self.seconds += seconds


_lanes: Final = _Lanes()


def cpu_seconds() -> float:
    """Return the CPU seconds of the calling thread and of all threads that have sent requests for a caller."""
    return time.thread_time() + _lanes.seconds


class ConcurrentRequests:
    """Requests to one tracking server, each attempted once. The caller retries those that fail.

    The number of requests at the same time grows by one with each burst that succeeds and is halved by one that does
    not, as TCP's congestion control does (additive increase, multiplicative decrease, RFC 5681).
    """

    def __init__(self, tracking_uri: str, workspace: str | None, stopped: Callable[[], bool]) -> None:
        """Create a sender.

        Args:
            tracking_uri: the server. Requests to a local store are sent one after the other: a database connection
                has no latency to hide, and sqlite has one writer.
            workspace: workspace of all requests; None for the default one.
            stopped: returns whether the deadline has passed; no further request is then sent.
        """
        self._stopped = stopped
        self._workspace = workspace
        self._most = MAX_LIMIT if is_server(tracking_uri) else 1
        self._limit = min(FIRST_LIMIT, self._most)

    @property
    def burst(self) -> int:
        """Number of requests to give to `send`; 1 if requests are not sent at the same time."""
        return self._limit * BURST if self._limit > 1 else 1

    def send(self, requests: Sequence[Callable[[], None]]) -> list[bool]:
        """Attempt requests until one fails; return for each whether it was accepted.

        Args:
            requests: functions that send one request each and raise if it is not accepted. They are called in any
                order, in several threads.
        """
        waiting = deque(enumerate(requests))
        accepted = [False] * len(requests)

        def lane() -> None:
            gate = ForkGate()  # one for each thread: a gate lets in one at a time
            while waiting and not self._stopped():
                try:
                    number, request = waiting.popleft()
                except IndexError:
                    return
                accepted[number] = self._attempt(request, gate)
                if not accepted[number]:
                    waiting.clear()

        threads = _started(lane, min(self._limit, len(requests)) - 1)
        lane()
        for thread in threads:
            thread.join()
        self._limit = min(self._limit + 1, self._most) if all(accepted) else max(1, self._limit // 2)
        return accepted

    def _attempt(self, request: Callable[[], None], gate: ForkGate) -> bool:
        try:
            with gate, http_policy.no_retries(0), workspaces.selected(self._workspace):
                request()
        except Exception:  # noqa: BLE001 - the caller's retry reports what MLflow says
            return False
        return True


def _started(lane: Callable[[], None], count: int) -> list[threading.Thread]:
    """Start threads; fewer, or none, where Python starts no more of them, as 3.12.0 and 3.12.1 at exit."""

    def timed() -> None:
        lane()
        _lanes.add(time.thread_time())

    # No `ThreadPoolExecutor`: its threads are joined at exit, however long a server takes to answer.
    threads = [threading.Thread(target=timed, name="otel-dspy-mlflow-request", daemon=True) for _ in range(count)]
    for number, thread in enumerate(threads):
        try:
            thread.start()
        except RuntimeError:
            return threads[:number]
    return threads
