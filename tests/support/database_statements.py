"""Statements and commits that a tracking store on a database executes, as a test observes them."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

from mlflow.tracking._tracking_service.utils import _get_store  # pyright: ignore[reportUnknownVariableType]
from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Generator

COMMIT: Final = "COMMIT"


def mlflow_store(uri: str) -> Any:
    """MLflow's own store of the tracking URI."""
    return cast("Any", _get_store)(uri)


@contextmanager
def database_statements(uri: str) -> Generator[list[str]]:
    """Collect what is executed on the database, with COMMIT for each transaction that has written."""
    engine: Any = mlflow_store(uri).engine
    seen: list[str] = []
    written = threading.local()

    def executed(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)
        written.any = getattr(written, "any", False) or statement.startswith(("INSERT", "UPDATE"))

    def committed(_connection: object) -> None:
        if getattr(written, "any", False):
            seen.append(COMMIT)
        written.any = False

    def undone(_connection: object) -> None:
        written.any = False

    listeners = {"before_cursor_execute": executed, "commit": committed, "rollback": undone}
    for name, listener in listeners.items():
        event.listen(engine, name, listener)
    yield seen
    for name, listener in listeners.items():
        event.remove(engine, name, listener)
