"""Which writes to a local store share a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mlflow.exceptions import MlflowException

from otel_dspy.mlflow.tracking.requests.concurrent_requests import Request
from otel_dspy.mlflow.tracking.store.local_writes import APART, LocalRequests

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_dspy.mlflow.tracking.store.store import Store
    from otel_dspy.runtime.fork_gate import ForkGate


class RecordedStore:
    """A store whose transactions are counted."""

    def __init__(self) -> None:
        self.transactions: list[int] = []
        """Writes of each one that was committed."""

    def together(self, writes: Sequence[Callable[[], None]], _gate: ForkGate) -> bool:
        """Apply the writes; return whether none raised."""
        try:
            for write in writes:
                write()
        except MlflowException:
            return False
        self.transactions.append(len(writes))
        return True


def test_spans_share_transactions_again_after_a_while() -> None:
    """An error of MLflow may be of one batch, as after a trace was deleted."""
    now, store = [0.0], RecordedStore()
    requests = LocalRequests(
        "sqlite:///none.db", None, lambda: False, lambda: cast("Store", store), clock=lambda: now[0]
    )

    def reject() -> None:
        raise MlflowException("not these")

    def send(spans: Callable[[], None]) -> list[bool | None]:
        infos = [Request(lambda: None), Request(lambda: None)]
        return requests.send([*infos, Request(spans, {0, 1}, measured=False)])

    assert send(lambda: None) == [True, True, True]
    assert send(reject) == [True, True, False]  # the caller splits the spans
    now[0] = APART - 1
    assert send(lambda: None) == [True, True, False]
    now[0] = APART
    assert send(lambda: None) == [True, True, True]
    assert store.transactions == [3, 2, 2, 3]
