"""Cache of traces' tags: one query, where MLflow's store reads each tag that it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_dspy.mlflow.tracking.store.new_rows import NewRows

_COLUMNS: Final = {"request_id", "key", "value"}
"""Columns of a trace's tag in MLflow's database: the id of the trace, and the tag's name and value."""
_KEY: Final = {"request_id", "key"}


class TraceTagCache:
    """Merges tags into one session, while the spans of some traces are written.

    A tag that another process adds in between makes the session fail when it is flushed, as it does after a merge of
    SQLAlchemy's.
    """

    def __init__(self, session: Any, trace_ids: Iterable[str], rows: NewRows) -> None:  # noqa: ANN401 - a class of SQLAlchemy's
        """Create a cache; the database is not read before the first tag.

        Args:
            session: the session.
            trace_ids: ids of the traces, as MLflow stores them.
            rows: receives new tags, whose values may change until they are sent.
        """
        self._session = session
        self._trace_ids = frozenset(trace_ids)
        self._rows = rows
        self._known: dict[Any, dict[tuple[str, str], Any] | None] = {}
        """Tags by trace and name, for each class of entities; None for one that is not of tags."""
        self._sent: set[tuple[str, str]] = set()
        """Tags by trace and name that were sent to the database before."""

    def merged(self, entity: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy's
        """Return the session's entity with the tag's value; None if the caller should merge it."""
        entities: Any = cast("Any", type(entity))
        if entities not in self._known:
            self._known[entities] = self._read(entities)
        known = self._known[entities]
        if known is None or entity.request_id not in self._trace_ids:
            return None
        name = (entity.request_id, entity.key)
        found = known.setdefault(name, entity)
        if found is entity:
            if not self._rows.add(entity):
                self._session.add(entity)
        elif found.value != entity.value:
            found.value = entity.value
            if name in self._sent:
                return None  # the entity was sent, and its session does not have it
        return found

    def _read(self, entities: Any) -> dict[tuple[str, str], Any] | None:  # noqa: ANN401 - a class of MLflow's
        table: Any = getattr(entities, "__table__", None)
        if table is None or (set(table.columns.keys()), set(table.primary_key.columns.keys())) != (_COLUMNS, _KEY):
            return None
        # What the transaction has created, no other has written to.
        new = {
            (tag.request_id, tag.key): tag for tag in self._rows.added(entities) if tag.request_id in self._trace_ids
        }
        self._sent |= new.keys()
        others = self._trace_ids - self._rows.keys
        found = self._session.query(entities).filter(entities.request_id.in_(others)) if others else ()
        return {**new, **{(tag.request_id, tag.key): tag for tag in found}}
