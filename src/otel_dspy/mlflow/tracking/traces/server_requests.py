"""Requests with traces to a tracking server: many writes in one if it runs the server app, else several at a time."""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from math import inf
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.requests.concurrent_requests import ConcurrentRequests, Request
from otel_dspy.mlflow.tracking.store.traces import trace_batch
from otel_dspy.mlflow.tracking.traces.batched_writes import BatchedWrites

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
    from otel_dspy.mlflow.tracking.store.traces.trace_batch import BatchAnswer

LEAST: Final = 10
"""Trace infos that have to wait before the server is asked whether it takes batches, which is a request."""
MOST_BYTES: Final = 4_000_000
"""Size at which a batch is sent; the app takes 20 MiB unless configured otherwise."""
ASK_AGAIN: Final = 600.0
"""Seconds until a server that takes no batches is asked again: it may have been restarted with the app."""
APART: Final = 60.0
"""Seconds without batches after one that failed, or of which a write was not accepted: others would be attempted twice.
"""


class _NotAttemptedError(Exception):
    """A batch was not sent: `stopped` has become true meanwhile."""


class ServerRequests:
    """Requests to one tracking server, each attempted once. The caller retries those that fail.

    Attributes:
        transactions: positions of those requests of the last `send` that were committed together.
    """

    def __init__(
        self,
        connection: Connection,
        stopped: Callable[[], bool],
        exists: Callable[[str], bool],
        awaited: Callable[[], AbstractContextManager[None]] = nullcontext,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the requests of one experiment.

        Args:
            connection: the experiment.
            stopped: returns whether to send nothing more: the deadline has passed, or others come first.
            exists: returns whether something of a trace, named by its 32 hex digits, was written before.
            awaited: returns a context in which a request waits for its answer.
            clock: returns seconds.
        """
        where = connection.destination
        self._connection = connection
        self._stopped = stopped
        self._clock = clock
        self._each = ConcurrentRequests(where.tracking_uri, where.workspace, stopped, awaited=awaited)
        self._batch = BatchedWrites(exists)
        self._takes_batches = self._answered = False
        # MLflow's other services, such as Databricks, run no app.
        self._ask_at = -inf if where.tracking_uri.lower().startswith("http") else inf
        self.transactions: Sequence[range] = ()

    @property
    def limit(self) -> int:
        """Number of requests at the same time."""
        return 1 if self._takes_batches else self._each.limit

    @property
    def overlaps(self) -> bool:
        """Whether several may be sent at the same time: not where one has many writes."""
        return not self._takes_batches

    @property
    def batched(self) -> BatchedWrites | None:
        """Return what trace infos and spans have to be written to within `send`; None for MLflow's API."""
        return self._batch if self._takes_batches else None

    def prepare(self, infos: int, *, early: bool = False) -> None:
        """Ask the server whether it takes batches, if that is unknown and worth a request.

        Args:
            infos: number of trace infos that are waiting.
            early: whether they are sent later, so that a server that was asked before is not asked now.
        """
        if early and self._ask_at != -inf:
            return
        if not self._takes_batches and infos >= LEAST and self._clock() >= self._ask_at:
            with suppress(_NotAttemptedError):
                self._takes_batches = self._answer(b"", 0) is not None
                # Without an answer it is unknown, and asked again with the next batch.
                self._ask_at = self._clock() + (ASK_AGAIN if self._answered else 0)

    def send(self, requests: Sequence[Request]) -> list[bool | None]:
        """Attempt requests until one fails; return for each whether it was accepted, None if it was not attempted."""
        self.transactions = ()
        if not self._takes_batches:
            return self._each.send(requests)
        accepted: list[bool | None] = []
        transactions: list[range] = []
        while len(accepted) < len(requests) and not self._stopped():
            try:
                found = self._sent_together(requests[len(accepted) :])
            except _NotAttemptedError:
                break
            transactions += (range(len(accepted) + one.start, len(accepted) + one.stop) for one in found.transactions)
            for request, one in zip(requests[len(accepted) :], found.accepted, strict=False):
                if one:
                    request.accepted()
            accepted += found.accepted
            if not all(found.accepted):
                self._takes_batches, self._ask_at = False, self._clock() + APART
                break
        self.transactions = transactions
        return accepted + [None] * (len(requests) - len(accepted))

    def _sent_together(self, requests: Sequence[Request]) -> BatchAnswer:
        """Send the first requests, at least one, in a batch."""
        count = 0
        for request in requests:
            try:
                request.send()
            except Exception:  # noqa: BLE001 - the caller attempts it alone, and reports what is wrong with it
                break
            count += 1
            if self._batch.size >= MOST_BYTES:
                break
        body = self._batch.take()
        answer = self._answer(body, count) if count else None
        return answer or trace_batch.BatchAnswer([False], [])

    def _answer(self, body: bytes, writes: int) -> BatchAnswer | None:
        """Send a batch; return what was written, None if that is unknown.

        Raises:
            _NotAttemptedError: nothing is to be sent any more.
        """
        answers: list[BatchAnswer | None] = []

        self._answered = False

        def post() -> None:
            answers.append(self._connection.store().traces.send_batch(self._connection.experiment_id(), body, writes))

        (accepted,) = self._each.send([Request(post, measured=False)])
        if accepted is None:
            raise _NotAttemptedError
        self._answered = bool(answers)
        return answers[-1] if answers else None
