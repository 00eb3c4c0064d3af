"""One database session for several writes of MLflow's store, which opens one for each."""

from __future__ import annotations

import inspect
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.mlflow.tracking.store.new_rows import NewRows
from otel_dspy.mlflow.tracking.store.span_upserts import inserted
from otel_dspy.mlflow.tracking.store.trace_tag_cache import TraceTagCache

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

_RESULT: Final = "to_mlflow_entity"
"""Method of an entity that converts all of it to what MLflow's method returns."""


class _UndoneError(Exception):
    """A write has undone the transaction, as MLflow does before it merges an entity that exists already."""


class _Thread(threading.local):
    session: Any = None
    rows: Any = None
    """`NewRows` of the session."""
    depth: int = 0
    experiments: dict[object, Any] | None = None
    """What the transaction has read, by id; None without one."""
    tags: TraceTagCache | None = None
    """Cached tags of the traces whose spans are being written."""
    adds: bool = False
    """Whether what is being written may be sent to the database with what is written next."""


_PATCHED: Final = ("rollback", "commit", "merge", "flush", "add", "execute")
"""Methods of a session that are replaced while it is shared."""


class SharedSessions:
    """Stands in for a store's `ManagedSessionMaker`: within `transaction`, its thread gets one session for all writes.

    Other threads, and other code on this one, get sessions of their own.
    """

    def __init__(self, maker: Callable[..., Any]) -> None:
        """Create the replacement of a session factory.

        Args:
            maker: the store's own: returns a context manager, whose session is committed at its end.
        """
        self._maker = maker
        self._thread = _Thread()
        named = "read_only" in inspect.signature(maker).parameters
        self._to_write: dict[str, bool] = {"read_only": False} if named else {}

    @property
    def shares(self) -> bool:
        """Whether this thread is within `transaction`."""
        return self._thread.session is not None

    def __call__(self, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - passes on what MLflow gives
        """Return a context manager of a session."""
        session = self._thread.session
        return self._maker(*args, **more) if session is None else self._shared(session)

    @contextmanager
    def _shared(self, session: Any) -> Generator[Any]:  # noqa: ANN401 - a class of SQLAlchemy's
        if self._thread.depth == 0 and not self._thread.adds:
            self._send(session)
        self._thread.depth += 1
        try:
            yield session
            session.flush()
        finally:
            self._thread.depth -= 1
        if self._thread.depth == 0 and not self._thread.adds:
            self._send(session)

    def _send(self, session: Any) -> None:  # noqa: ANN401 - a class of SQLAlchemy's
        self._thread.rows.send()
        session.flush()
        session.expunge_all()  # a session of its own would not have had these objects either

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Make one transaction of all writes to the store in this thread; an exception undoes all of them."""
        with self._maker(**self._to_write) as session:
            self._thread.session, session.rollback = session, _raise_undone
            # MLflow commits parameters, metrics and tags of a run each on its own.
            session.commit = session.flush = partial(self._flush, session.flush)
            session.merge = partial(self._merge, session.merge)
            session.add = partial(self._add, session.add)
            session.execute = partial(self._execute, session, session.execute)
            self._thread.rows, self._thread.experiments = NewRows(session), {}
            try:
                yield
                self._send(session)
            finally:
                self._thread.rows.discard()
                self._thread.session = self._thread.rows = self._thread.experiments = None
                for name in _PATCHED:
                    delattr(session, name)

    @contextmanager
    def spans_of(self, trace_ids: Iterable[str]) -> Generator[None]:
        """Write spans of these traces with fewer statements.

        The tags are read once, where MLflow reads each that it writes. Spans of traces that the transaction has created
        are inserted.
        """
        session = self._thread.session
        if session is None:
            yield
            return
        self._thread.tags = TraceTagCache(session, trace_ids, self._thread.rows)
        try:
            with inserted(self._thread.rows):
                yield
        finally:
            self._thread.tags = None

    @contextmanager
    def adding(self) -> Generator[None]:
        """Add new rows; those of several writes are sent to the database together, with a statement for each table.

        What MLflow's methods return of them is None.
        """
        self._thread.adds = True
        try:
            yield
        finally:
            self._thread.adds = False

    def _execute(self, session: Any, execute: Callable[..., Any], *some: Any, **more: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy's
        """Execute a statement, after what was added: each query of a session comes here."""
        if self._thread.adds:
            self._thread.adds = False
            try:
                self._thread.rows.send()
                session.flush()
            finally:
                self._thread.adds = True
        return execute(*some, **more)

    def _flush(self, flush: Callable[..., None], *some: Any) -> None:  # noqa: ANN401 - as SQLAlchemy's
        if not self._thread.adds:
            flush(*some)

    def _add(self, add: Callable[..., None], entity: object, *some: Any, **more: Any) -> None:  # noqa: ANN401 - as SQLAlchemy's
        if not (self._thread.adds and self._thread.rows.add(entity)):
            add(entity, *some, **more)
        elif hasattr(entity, _RESULT):
            vars(entity)[_RESULT] = _nothing  # MLflow's method returns it, and `adding` has no use for it

    def _merge(self, merge: Callable[..., Any], entity: Any, **more: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy's
        tags = self._thread.tags
        merged = tags.merged(entity) if tags is not None else None
        return merge(entity, **more) if merged is None else merged

    def read_once(self, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return a function that reads each experiment once in a transaction: MLflow reads it for each trace info.

        Args:
            read: the store's `get_experiment`.
        """

        def get_experiment(experiment_id: Any) -> Any:  # noqa: ANN401 - passes on what MLflow gives
            known = self._thread.experiments
            if known is None:
                return read(experiment_id)
            if experiment_id not in known:
                known[experiment_id] = read(experiment_id)
            return known[experiment_id]

        return get_experiment


def _nothing() -> None:
    """Stand in for a conversion whose result is not used."""


def _raise_undone() -> None:
    raise _UndoneError
