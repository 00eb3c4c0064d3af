"""Rows of new entities, inserted with a statement for each table.

SQLAlchemy's unit of work, by which a session inserts, sorts all objects and visits each several times.
"""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence


class NewRows:
    """New entities that wait to be inserted."""

    def __init__(self, session: Any) -> None:  # noqa: ANN401 - a class of SQLAlchemy's
        """Create it, empty.

        Args:
            session: the session in whose transaction they are inserted.
        """
        self._session = session
        self._entities: dict[type, list[object]] = {}
        self.keys: set[object] = set()
        """Primary keys, of one column, of the entities that were queued."""

    def add(self, entity: object) -> bool:
        """Queue an entity with those that it owns; its values are read when it is sent.

        Returns:
            Whether it was queued. If not, the caller should add it to the session.
        """
        owned = _owned(entity)
        if owned is None:
            return False
        for one in (entity, *owned):
            self._entities.setdefault(type(one), []).append(one)
        self.keys |= _table(type(entity)).single_key(entity)
        return True

    def insert(self, entities: type, rows: Sequence[dict[str, Any]]) -> bool:
        """Insert rows of a class of entities at once, by column; return False if they do not have the same columns."""
        if not rows or any(row.keys() != rows[0].keys() for row in rows):
            return False
        self.send()
        self._session.connection().execute(_table(entities).insert, list(rows))
        return True

    def send(self) -> None:
        """Insert what is queued, owners first.

        Raises:
            sqlalchemy.exc.IntegrityError: one exists already.
        """
        queued, self._entities = self._entities, {}
        connection: Any = self._session.connection() if queued else None
        for entities, found in queued.items():
            table = _table(entities)
            for _, rows in groupby(sorted(map(table.row, found), key=tuple), key=tuple):
                connection.execute(table.insert, list(rows))


def _owned(entity: object) -> list[object] | None:
    """Return the entities that a session would insert with this one; None if more has to be done."""
    table = _table(type(entity))
    if not table.is_complete(entity):
        return None
    found: list[object] = []
    for name, keys in table.relations.items():
        for one in _related(entity, name):
            of_one = _table(type(one))
            others = [other for back in of_one.relations for other in _related(one, back)]
            refers = keys and all(vars(one).get(theirs) == vars(entity)[ours] for ours, theirs in keys)
            if not (refers and of_one.is_complete(one)) or any(other is not entity for other in others):
                return None
            found.append(one)
    return found


@cache
def _table(entities: type) -> _Table:
    return _Table(entities)


class _Table:
    """Table of a class of entities.

    Attributes:
        insert: the statement.
        relations: names of the attributes with other entities; for those that it owns, pairs of an attribute of its own
            and the attribute of theirs that refers to it.
    """

    def __init__(self, entities: type) -> None:
        mapper: Any = cast("Any", entities).__mapper__
        self.insert: Any = mapper.local_table.insert()
        self._columns = [
            (attribute.key, column.key, column.default is not None or column.server_default is not None)
            for attribute in mapper.column_attrs
            for column in attribute.columns
            if column.computed is None
        ]
        self._keys = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
        self._single = len(mapper.tables) == 1
        self.relations: dict[str, Sequence[tuple[str, str]]] = {
            relation.key: [
                (mapper.get_property_by_column(ours).key, relation.mapper.get_property_by_column(theirs).key)
                for ours, theirs in relation.local_remote_pairs
            ]
            if relation.uselist and relation.secondary is None
            else ()
            for relation in mapper.relationships
        }

    def is_complete(self, entity: object) -> bool:
        """Return whether one row is the whole entity, and the database need not create its key."""
        return self._single and all(vars(entity).get(key) is not None for key in self._keys)

    def single_key(self, entity: object) -> set[object]:
        """Return the primary key if it has one column; else an empty set."""
        return {vars(entity)[key] for key in self._keys} if len(self._keys) == 1 else set()

    def row(self, entity: object) -> dict[str, Any]:
        """Return the values of the entity by column; columns with a default are left out where it has none."""
        values = vars(entity)
        return {
            column: values.get(attribute)
            for attribute, column, has_default in self._columns
            if not has_default or values.get(attribute) is not None
        }


def _related(entity: object, name: str) -> Sequence[object]:
    found: Any = vars(entity).get(name)
    if found is None:
        return ()
    return cast("list[object]", found) if isinstance(found, list) else (found,)
