"""Sends independent requests at the same time, so that a distant MLflow costs one round trip for many."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.requests import connection_pool, http_policy, workspaces
from otel_dspy.mlflow.tracking.requests.concurrency_limit import ConcurrencyLimit
from otel_dspy.mlflow.tracking.requests.error_cause import connection_was_closed
from otel_dspy.mlflow.tracking_uri import is_server
from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from contextlib import AbstractContextManager


class _Caller(threading.local):
    """CPU seconds that threads have spent on requests of the calling thread."""

    seconds: float = 0.0


_caller: Final = _Caller()


def cpu_seconds() -> float:
    """Return the CPU seconds of the calling thread and of the threads that have sent its requests."""
    return time.thread_time() + _caller.seconds


def _ignore() -> None:
    """Do nothing when a request has been accepted."""


def count_cpu_seconds(seconds: float) -> None:
    """Count CPU seconds that another thread has spent on requests of the calling thread."""
    _caller.seconds += seconds


@dataclass(frozen=True, slots=True)
class Request:
    """A request.

    Attributes:
        send: sends it once, on any thread; raises if it is not accepted.
        after: positions, among the requests of a call, of those that must have been accepted before.
        measured: whether its latency is that of most requests. If not, the server may be busy with it, and those that
            are sent meanwhile are not measured either.
        accepted: is called once it has been accepted, on any thread.
    """

    send: Callable[[], None]
    after: Collection[int] = ()
    measured: bool = True
    accepted: Callable[[], None] = _ignore

    def attempt(self) -> None:
        """Send it, and call `accepted`."""
        self.send()
        self.accepted()


class ConcurrentRequests:
    """Requests to one tracking server, each attempted once. The caller retries those that fail.

    One whose connection the server has closed without an answer is attempted once more at once. uvicorn closes
    connections that are idle for 5 s, and to a distant server a request may already be on its way.

    Attributes:
        overlaps: whether several may be sent at the same time.
        transactions: positions of requests that were accepted together: none.
    """

    overlaps: Final = True
    transactions: Final[Sequence[range]] = ()

    def __init__(
        self,
        tracking_uri: str,
        workspace: str | None,
        stopped: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        *,
        awaited: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Create a sender.

        Args:
            tracking_uri: the server. Requests to a local store are sent one after the other: a database connection
                has no latency to hide, and sqlite has one writer.
            workspace: workspace of all requests; None for the default one.
            stopped: returns whether to send no further request: the deadline has passed, or others come first.
            clock: returns seconds, to measure latencies.
            awaited: returns a context in which a request waits for its answer.
        """
        self._awaited = awaited
        self._clock = clock
        self._stopped = stopped
        self._workspace = workspace
        self._limit = ConcurrencyLimit(connection_pool.size() if is_server(tracking_uri) else 1)

    @property
    def limit(self) -> int:
        """Number of requests at the same time."""
        return self._limit.now

    def send(self, requests: Sequence[Request]) -> list[bool | None]:
        """Attempt requests until one fails; return for each whether it was accepted, None if it was not attempted.

        They are sent in any order that keeps their `after`, in this thread and in others.
        """
        batch = _Batch(requests, self._limit, self._attempt, self._stopped, self._clock)
        count_cpu_seconds(batch.run())
        return batch.accepted

    def _attempt(self, request: Request, gate: ForkGate) -> bool:
        error = self._once(request, gate)
        if error is not None and connection_was_closed(error) and not self._stopped():
            error = self._once(request, gate)
        return error is None

    def _once(self, request: Request, gate: ForkGate) -> Exception | None:
        try:
            with gate, http_policy.no_retries(0, self._awaited), workspaces.selected(self._workspace):
                request.attempt()
        except Exception as error:  # noqa: BLE001 - the caller's retry reports what MLflow says
            return error
        return None


class _Batch:
    """Requests of one call, and the threads that send them."""

    def __init__(
        self,
        requests: Sequence[Request],
        limit: ConcurrencyLimit,
        attempt: Callable[[Request, ForkGate], bool],
        stopped: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._requests = requests
        self._limit = limit
        self._attempt = attempt
        self._stopped = stopped
        self._clock = clock
        self.accepted: list[bool | None] = [None] * len(requests)
        self._changed = threading.Condition()
        """Guards the attributes below, and the limit."""
        self._waiting = list(range(len(requests)))
        self._in_flight = 0
        self._unmeasured_begun = self._unmeasured_in_flight = 0
        """Numbers of requests that are not measured."""
        self._failed = False
        self._senders = 1
        self._no_threads = False
        self._threads: list[threading.Thread] = []
        self._seconds = 0.0

    def run(self) -> float:
        """Send until all are accepted, one fails or `stopped`; return the CPU seconds of the other threads."""
        with self._changed:
            self._add_threads()
        self._send(connected=True)  # by the requests that found the experiment
        while self._threads:  # those of the last ones may have started others
            self._threads.pop().join()
        return self._seconds

    def _send(self, *, connected: bool) -> None:
        """Send requests until the thread should end.

        Args:
            connected: whether the first one uses an open connection. Opening one takes several round trips.
        """
        gate = ForkGate()  # one for each thread: a gate lets in one at a time
        while (number := self._take()) is not None:
            request, accepted, before, began = self._requests[number], False, self._undisturbed(), self._clock()
            try:
                accepted = self._attempt(request, gate)
            finally:  # also for an interrupt, as other threads wait
                latency = self._clock() - began
                measured = connected and request.measured and before is not None and before == self._undisturbed()
                self._record(number, latency if measured else None, accepted=accepted)
            connected = True

    def _take(self) -> int | None:
        """Return the next request; None if the thread should end."""
        with self._changed:
            while self._waiting and not (self._failed or self._senders > self._limit.now or self._stopped()):
                for place, number in enumerate(self._waiting):
                    if all(self.accepted[other] for other in self._requests[number].after):
                        del self._waiting[place]
                        self._in_flight += 1
                        if not self._requests[number].measured:
                            self._unmeasured_begun += 1
                            self._unmeasured_in_flight += 1
                        return number
                if not self._in_flight:
                    break
                self._changed.wait()
            self._senders -= 1
            return None

    def _undisturbed(self) -> int | None:
        """Return a number that changes when a request begins that is not measured; None while one is in flight."""
        with self._changed:
            return None if self._unmeasured_in_flight else self._unmeasured_begun

    def _record(self, number: int, latency: float | None, *, accepted: bool) -> None:
        with self._changed:
            self._in_flight -= 1
            self._unmeasured_in_flight -= not self._requests[number].measured
            self.accepted[number] = accepted
            if not accepted:
                self._failed = True
                self._limit.failed()
            elif latency is not None:
                self._limit.accepted(latency)
                self._add_threads()
            self._changed.notify_all()

    def _add_threads(self) -> None:
        # No `ThreadPoolExecutor`: its threads are joined at exit, however long a server takes to answer.
        # Each has a copy of the caller's context, which keeps instrumentations of HTTP clients from tracing requests.
        while len(self._waiting) >= self._senders < self._limit.now and not self._no_threads:
            thread = threading.Thread(
                target=copy_context().run, args=[self._send_timed], name="otel-dspy-mlflow-request", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # where Python starts no more of them, as 3.12.0 and 3.12.1 at exit
                self._no_threads = True
                return
            self._senders += 1
            self._threads.append(thread)

    def _send_timed(self) -> None:
        self._send(connected=False)
        with self._changed:
            self._seconds += time.thread_time()
