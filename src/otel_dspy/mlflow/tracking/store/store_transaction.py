"""One transaction for several writes to a local database, where MLflow's store opens one for each."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.mlflow.tracking.store.shared_sessions import SharedSessions

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from otel_dspy.runtime.fork_gate import ForkGate

_MAKER: Final = "ManagedSessionMaker"
"""What MLflow's store on a database creates a session with, for each of its methods."""


class _Gated:
    """Begins and ends a transaction within a gate, and leaves it between two writes."""

    def __init__(self, transaction: AbstractContextManager[None], gate: ForkGate) -> None:
        self._transaction = transaction
        self._gate = gate

    def __enter__(self) -> None:
        with self._gate:
            self._transaction.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        with self._gate:
            return self._transaction.__exit__(kind, error, traceback)


@contextmanager
def adding(store: Any) -> Generator[None]:  # noqa: ANN401 - MLflow's, or a plug-in's
    """Write something new with fewer statements, within `one_transaction`; else do nothing."""
    maker: Any = getattr(store, _MAKER, None)
    with maker.adding() if isinstance(maker, SharedSessions) else nullcontext():
        yield


@contextmanager
def spans_of(store: Any, trace_ids: Iterable[str]) -> Generator[None]:  # noqa: ANN401 - MLflow's, or a plug-in's
    """Write spans of these traces (MLflow's ids) with fewer reads, within `one_transaction`; else do nothing."""
    maker: Any = getattr(store, _MAKER, None)
    with maker.spans_of(trace_ids) if isinstance(maker, SharedSessions) else nullcontext():
        yield


def one_transaction(
    store: Any,  # noqa: ANN401 - MLflow's, or a plug-in's
    writes: Iterable[Callable[[], object]],
    gate: ForkGate,
) -> bool:
    """Apply writes in one transaction.

    Args:
        store: MLflow's store.
        writes: functions that write to it.
        gate: closed for each write, so that a fork waits for one and not for all.

    Returns:
        Whether they were applied. If not, none was: a write failed, or an entity exists already, or the store has no
        transactions. Within another transaction of this thread they become part of it, and it fails with them.
    """
    maker: Any = getattr(store, _MAKER, None)
    if maker is None:
        return False
    if isinstance(maker, SharedSessions) and maker.shares:
        for write in writes:
            write()
        return True
    try:
        if isinstance(maker, SharedSessions):
            sessions = maker
        else:
            sessions = SharedSessions(maker)
            setattr(store, _MAKER, sessions)
            store.get_experiment = sessions.read_once(store.get_experiment)
        with _Gated(sessions.transaction(), gate):
            for write in writes:
                with gate:
                    write()
    except Exception:  # noqa: BLE001 - the caller applies each write on its own, and reports what fails then
        return False
    return True
