"""Requests with traces to a tracking server: many writes in one if it runs the server app, else several at a time."""

from __future__ import annotations

import time
from contextlib import nullcontext
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.requests.concurrent_requests import ConcurrentRequests, Request
from otel_dspy.mlflow.tracking.traces.batch_in_flight import BatchInFlight, BatchResponse
from otel_dspy.mlflow.tracking.traces.batched_writes import BatchedWrites

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
    from otel_dspy.mlflow.tracking.store.traces.trace_batch import BatchAnswer

LEAST: Final = 10
"""Trace infos that have to wait before the server is asked whether it takes batches, which is a request."""
ENOUGH_BYTES: Final = 500_000
"""Size at which a batch is sent after the spans of its traces: the next one is encoded while the server writes it."""
MOST_BYTES: Final = 4_000_000
"""Size at which a batch is sent in any case; the app takes 20 MiB unless configured otherwise."""
ASK_AGAIN: Final = 600.0
"""Seconds until a server that takes no batches is asked again: it may have been restarted with the app."""
APART: Final = 60.0
"""Seconds without batches after one that failed, or of which a write was not accepted: others would be attempted twice.
"""


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
        self._takes_batches = False
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

    def prepare(self, infos: int) -> None:
        """Ask the server whether it takes batches, if that is unknown and worth a request.

        Args:
            infos: number of trace infos that are waiting.
        """
        if not self._takes_batches and infos >= LEAST and self._clock() >= self._ask_at:
            response = self._post(b"", 0)
            if response.attempted:
                self._takes_batches = response.answer is not None
                # Without an answer it is unknown, and asked again with the next batch.
                self._ask_at = self._clock() + (ASK_AGAIN if response.answered else 0)

    def send(self, requests: Sequence[Request]) -> list[bool | None]:
        """Attempt requests until one fails; return for each whether it was accepted, None if it was not attempted."""
        self.transactions = ()
        if not self._takes_batches:
            return self._each.send(requests)
        accepted: list[bool | None] = [None] * len(requests)
        transactions: list[range] = []
        begun, in_flight = 0, None
        while begun < len(requests) and not self._stopped():
            writes, body = self._encoded(requests[begun:])
            if in_flight is not None and not self._received(in_flight, requests, accepted, transactions):
                in_flight = None
                break
            if not writes:
                accepted[begun], in_flight = False, None
                self._pause_batches()
                break
            in_flight = BatchInFlight(range(begun, begun + writes), partial(self._post, body, writes))
            begun += writes
        if in_flight is not None:
            self._received(in_flight, requests, accepted, transactions)
        self.transactions = transactions
        return accepted

    def _received(
        self,
        in_flight: BatchInFlight,
        requests: Sequence[Request],
        accepted: list[bool | None],
        transactions: list[range],
    ) -> bool:
        """Wait for a batch's answer, and record it; return whether all of the batch was accepted."""
        response, where = in_flight.response(), in_flight.positions
        if not response.attempted:
            return False
        if response.answer is None:
            accepted[where.start] = False
        else:
            accepted[where.start : where.stop] = response.answer.accepted
            transactions += (
                range(where.start + one.start, where.start + one.stop) for one in response.answer.transactions
            )
        for number in where:
            if accepted[number]:
                requests[number].accepted()
        if all(accepted[where.start : where.stop]):
            return True
        self._pause_batches()
        return False

    def _pause_batches(self) -> None:
        self._takes_batches, self._ask_at = False, self._clock() + APART

    def _encoded(self, requests: Sequence[Request]) -> tuple[int, bytes]:
        """Encode a batch of the first requests; return their number, 0 if the first one cannot be encoded.

        It ends with spans, whose traces' infos come before them, unless that makes it too large.
        """
        count = 0
        for request in requests:
            try:
                request.send()
            except Exception:  # noqa: BLE001 - the caller attempts it alone, and reports what is wrong with it
                break
            count += 1
            if self._batch.size >= (MOST_BYTES if request.measured else ENOUGH_BYTES):
                break
        return count, self._batch.take()

    def _post(self, body: bytes, writes: int) -> BatchResponse:
        """Send a batch."""
        answers: list[BatchAnswer | None] = []

        def post() -> None:
            answers.append(self._connection.store().traces.send_batch(self._connection.experiment_id(), body, writes))

        (accepted,) = self._each.send([Request(post, measured=False)])
        return BatchResponse(accepted is not None, bool(answers), answers[-1] if answers else None)
