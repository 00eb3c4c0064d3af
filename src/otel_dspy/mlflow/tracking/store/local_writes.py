"""Writes to a local store, several in one transaction."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

from mlflow.exceptions import MlflowException

from otel_dspy.mlflow.tracking.requests import http_policy, workspaces
from otel_dspy.mlflow.tracking.requests.concurrent_requests import ConcurrentRequests
from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_dspy.mlflow.tracking.requests.concurrent_requests import Request
    from otel_dspy.mlflow.tracking.store.store import Store

TOGETHER: Final = 128
"""Most writes in a transaction. Other writers of a sqlite database wait for its end."""
MOST_SPANS: Final = 400
"""Most spans in a write, so that the infos of their traces fit in its transaction."""
APART: Final = 60.0
"""Seconds after an error of MLflow in which spans share no transaction: such an error undoes what is written with them,
and MLflow before 3.9, which takes spans of one trace alone, has it each time.
"""


class LocalRequests:
    """Writes to a local store, in order, each attempted until one fails.

    Attributes:
        limit: number of writes at the same time.
        overlaps: whether there may be several.
        batched: None: all writes are to the store itself.
        transactions: positions of those writes of the last `send` that were committed together.
    """

    limit: Final = 1
    overlaps: Final = False
    batched: Final = None

    def __init__(
        self,
        tracking_uri: str,
        workspace: str | None,
        stopped: Callable[[], bool],
        store: Callable[[], Store],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the writes of one store.

        Args:
            tracking_uri: the store.
            workspace: workspace of all writes; None for the default one.
            stopped: returns whether to write nothing more: the deadline has passed, or others come first.
            store: returns the store.
            clock: returns seconds.
        """
        self._clock = clock
        self._workspace = workspace
        self._stopped = stopped
        self._store = store
        self._one_by_one = ConcurrentRequests(tracking_uri, workspace, stopped)
        self._gate = ForkGate()
        self._apart_until: float | None = None
        self.transactions: list[range] = []

    def prepare(self, infos: int) -> None:
        """Do nothing: a local store needs no preparation."""

    def send(self, requests: Sequence[Request]) -> list[bool | None]:
        """Attempt writes until one fails; return for each whether it was accepted, None if it was not attempted.

        Of a transaction that fails, the infos before its first spans are attempted again, together or one by one. Spans
        are attempted in transactions with others only; alone they count as not accepted.
        """
        accepted: list[bool | None] = []
        self.transactions = []
        while len(accepted) < len(requests) and not self._stopped():
            some = self._next(requests[len(accepted) : len(accepted) + TOGETHER])
            if self._sent_together(some):
                self.transactions.append(range(len(accepted), len(accepted) + len(some)))
                found: list[bool | None] = [True] * len(some)
            else:
                found = self._sent_apart(some)
            accepted += found
            if not all(found):
                break
        return accepted + [None] * (len(requests) - len(accepted))

    def _next(self, requests: Sequence[Request]) -> Sequence[Request]:
        """Return the first of these requests that may share a transaction: up to the last with spans, if one has."""
        with_spans = [number for number, request in enumerate(requests) if not request.measured]
        if not with_spans:
            return requests
        apart = self._apart_until is not None and self._clock() < self._apart_until
        return requests[: max(1, with_spans[0])] if apart else requests[: with_spans[-1] + 1]

    def _sent_apart(self, requests: Sequence[Request]) -> list[bool | None]:
        infos = next((number for number, request in enumerate(requests) if not request.measured), len(requests))
        first = requests[:infos]
        together = infos < len(requests) and self._sent_together(first)
        found: list[bool | None] = [True] * infos if together else self._one_by_one.send(first)
        # Spans are left to the caller, which splits them.
        return [*found, False] if infos < len(requests) and all(found) else found

    def _sent_together(self, requests: Sequence[Request]) -> bool:
        writes = [request.attempt if request.measured else partial(self._send_spans, request) for request in requests]
        with http_policy.no_retries(0), workspaces.selected(self._workspace):
            return len(requests) > 1 and self._store().together(writes, self._gate)

    def _send_spans(self, request: Request) -> None:
        try:
            request.attempt()
        except MlflowException:
            self._apart_until = self._clock() + APART
            raise
