"""Rows of new entities, inserted with a statement for each table.

SQLAlchemy's unit of work, by which a session inserts, sorts all objects and visits each several times.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class NewRows:
    """New entities that wait to be inserted."""

    def __init__(self, session: Any) -> None:  # noqa: ANN401 - a class of SQLAlchemy's
        """Create an empty collection.

        Args:
            session: the session in whose transaction they are inserted.
        """
        self._session = session
        self._entities: dict[type, list[object]] = {}
        self._added: dict[type, list[object]] = {}
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
            self._added.setdefault(type(one), []).append(one)
        self.keys |= _table(type(entity)).single_key(entity)
        return True

    def added(self, entities: type) -> Sequence[Any]:
        """Return all entities of a class that were queued, with those that were sent since."""
        return self._added.get(entities, ())

    def discard(self) -> None:
        """Part the queued entities from those that own them: only Python's garbage collector would delete them else."""
        for entities, found in self._added.items():
            relations = _table(entities).relations
            for one in found:
                for name in relations:
                    vars(one).pop(name, None)
        self._entities, self._added = {}, {}

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
            alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
            for row in map(table.row, found):
                alike.setdefault(tuple(row), []).append(row)
            for rows in alike.values():
                connection.execute(table.insert, rows)


def _owned(entity: object) -> list[object] | None:
    """Return the entities that a session would insert with this one; None if more has to be done."""
    table, values = _table(type(entity)), vars(entity)
    if not table.is_complete(values):
        return None
    found: list[object] = []
    for name, keys in table.relations.items():
        for one in _related(values, name):
            if not (keys and _table(type(one)).is_owned(vars(one), entity, keys)):
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

    def is_complete(self, values: Mapping[str, Any]) -> bool:
        """Return whether one row is the whole entity, and the database need not create its key.

        Args:
            values: the entity's, by attribute.
        """
        if not self._single:
            return False
        for key in self._keys:  # noqa: SIM110 - `all` takes twice as long, for each new entity
            if values.get(key) is None:
                return False
        return True

    def is_owned(self, values: Mapping[str, Any], owner: object, keys: Sequence[tuple[str, str]]) -> bool:
        """Return whether an entity is complete and belongs to this owner and to no other.

        Args:
            values: the entity's, by attribute.
            owner: the owner.
            keys: pairs of an attribute of the owner and the attribute of the entity that refers to it.
        """
        theirs = vars(owner)
        for key, reference in keys:
            if values.get(reference) != theirs[key]:
                return False
        if not self.is_complete(values):
            return False
        for name in self.relations:
            for other in _related(values, name):
                if other is not owner:
                    return False
        return True

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


def _related(values: Mapping[str, Any], name: str) -> Sequence[object]:
    found: Any = values.get(name)
    if found is None:
        return ()
    return cast("list[object]", found) if isinstance(found, list) else (found,)
