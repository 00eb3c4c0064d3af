"""Rows of new entities, as SQLAlchemy's unit of work would insert them."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
import sqlalchemy
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, backref, declarative_base, relationship

from otel_dspy.mlflow.tracking.store.new_rows import NewRows

if TYPE_CHECKING:
    from collections.abc import Iterator

sa: Final = cast("Any", sqlalchemy)
"""Untyped: its statements are typed in part."""
Base: Final[Any] = declarative_base()


class Owner(Base):
    """As MLflow's trace infos are."""

    __tablename__ = "owners"
    name = sa.Column(sa.String, primary_key=True)
    text = sa.Column(sa.String, nullable=True)
    generation = sa.Column(sa.Integer, nullable=False, server_default="7")


class Owned(Base):
    """As MLflow's tags of a trace are."""

    __tablename__ = "owned"
    owner_name = sa.Column(sa.String, sa.ForeignKey("owners.name"), primary_key=True)
    key = sa.Column(sa.String, primary_key=True)
    valid = sa.Column(sa.Boolean, nullable=False, default=True)
    owner = relationship(Owner, backref=backref("items", cascade="all"))


class Numbered(Base):
    """One whose key the database creates."""

    __tablename__ = "numbered"
    number = sa.Column(sa.Integer, primary_key=True)


@pytest.fixture
def session() -> Iterator[Session]:
    """One on an empty database."""
    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session


@pytest.fixture
def statements(session: Session) -> list[str]:
    """What is executed."""
    seen: list[str] = []

    def executed(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    sa.event.listen(session.get_bind(), "before_cursor_execute", executed)
    return seen


def owner(name: str, *keys: str, **more: Any) -> Any:
    """An owner with what it owns."""
    made: Any = Owner(name=name, **more)
    made.items = [Owned(owner_name=name, key=key) for key in keys]
    return made


def test_a_statement_for_each_table_and_set_of_columns(session: Session, statements: list[str]) -> None:
    """Values that are missing are those of the columns, as of an entity that a session inserts."""
    rows = NewRows(session)
    assert all(rows.add(owner(name, "a", "b")) for name in ("x", "y"))
    assert rows.add(owner("z", text="t", generation=1))
    rows.send()
    assert [one.split(" (")[0] for one in statements] == ["INSERT INTO owners"] * 2 + ["INSERT INTO owned"]
    found = session.execute(sa.select(Owner.name, Owner.text, Owner.generation).order_by(Owner.name)).all()
    assert [tuple(one) for one in found] == [("x", None, 7), ("y", None, 7), ("z", "t", 1)]
    assert session.execute(sa.select(sa.func.count()).where(Owned.valid)).scalar() == 4
    statements.clear()
    rows.send()
    assert statements == []


def test_values_are_those_when_they_are_sent(session: Session) -> None:
    """An entity may change until then."""
    rows, changed = NewRows(session), owner("x", text="before")
    assert rows.add(changed)
    changed.text = "after"
    rows.send()
    assert session.execute(sa.select(Owner.text)).scalar() == "after"


def test_one_that_exists(session: Session) -> None:
    """As when a session inserts it."""
    rows = NewRows(session)
    for _ in range(2):
        assert rows.add(owner("x"))
    with pytest.raises(IntegrityError):
        rows.send()


def test_what_was_added_is_known_until_it_is_discarded(session: Session) -> None:
    """Also once it was sent. Then owners and what they own are deleted without a garbage collection."""
    rows, made = NewRows(session), owner("x", "a", "b")
    assert rows.add(made)
    rows.send()
    assert rows.keys == {"x"}
    assert rows.added(Owner) == [made]
    assert [one.key for one in rows.added(Owned)] == ["a", "b"]
    assert rows.added(Numbered) == ()
    alive = [weakref.ref(one) for one in (made, *made.items)]
    gc.disable()
    try:
        rows.discard()
        del made
        assert [one() for one in alive] == [None, None, None]
    finally:
        gc.enable()
    assert rows.added(Owner) == ()


def test_what_a_session_has_to_insert() -> None:
    """A key that the database creates, an owner that is not complete, and one that belongs to another, which may be new."""
    rows = NewRows(None)
    assert not rows.add(Numbered())
    unnamed: Any = Owner(name="x")
    unnamed.items = [Owned(key="a")]
    assert not rows.add(unnamed)
    assert not rows.add(Owned(owner_name="x", key="a", owner=owner("x")))
    shared: Any = owner("x", "a")
    other: Any = owner("y")
    vars(shared.items[0])["owner"] = other
    assert not rows.add(shared)
    rows.send()
