"""Writes to a local store, several in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.requests import http_policy, workspaces
from otel_dspy.mlflow.tracking.requests.concurrent_requests import ConcurrentRequests
from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_dspy.mlflow.tracking.requests.concurrent_requests import Request
    from otel_dspy.mlflow.tracking.store.store import Store

TOGETHER: Final = 25
"""Most writes in a transaction. Other writers of a sqlite database wait for its end."""


class LocalRequests:
    """Writes to a local store, in order, each attempted until one fails.

    Attributes:
        limit: number of writes at the same time.
        overlaps: whether there may be several.
    """

    limit: Final = 1
    overlaps: Final = False

    def __init__(
        self, tracking_uri: str, workspace: str | None, stopped: Callable[[], bool], store: Callable[[], Store]
    ) -> None:
        """Create it.

        Args:
            tracking_uri: the store.
            workspace: workspace of all writes; None for the default one.
            stopped: returns whether to write nothing more: the deadline has passed, or others come first.
            store: returns the store.
        """
        self._workspace = workspace
        self._stopped = stopped
        self._store = store
        self._one_by_one = ConcurrentRequests(tracking_uri, workspace, stopped)
        self._gate = ForkGate()

    def send(self, requests: Sequence[Request]) -> list[bool | None]:
        """Attempt writes until one fails; return for each whether it was accepted, None if it was not attempted.

        Those of a transaction that fails are attempted again, one by one.
        """
        accepted: list[bool | None] = []
        while len(accepted) < len(requests) and not self._stopped():
            some = requests[len(accepted) : len(accepted) + TOGETHER]
            found = [True] * len(some) if self._sent_together(some) else self._one_by_one.send(some)
            accepted += found
            if not all(found):
                break
        return accepted + [None] * (len(requests) - len(accepted))

    def _sent_together(self, requests: Sequence[Request]) -> bool:
        with http_policy.no_retries(0), workspaces.selected(self._workspace):
            return len(requests) > 1 and self._store().together([request.send for request in requests], self._gate)
