"""Inserts the spans of new traces, where MLflow's store on a database builds a statement with all values each time."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import wrapt

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from otel_dspy.mlflow.tracking.store.new_rows import NewRows

_MODULE: Final = "mlflow.store.tracking.sqlalchemy_store"
_UPSERT: Final = "_bulk_upsert"
_ARGUMENTS: Final = 3
"""Number of arguments of MLflow's function: the session, the class of entities, and the rows by column."""
_TRACE: Final = "trace_id"
"""Column of a span's row."""


class _Thread(threading.local):
    rows: NewRows | None = None


_thread: Final = _Thread()


@contextmanager
def inserted(rows: NewRows) -> Generator[None]:
    """Insert the spans of new traces that this thread upserts within the block.

    Args:
        rows: has created the traces, and inserts the spans.
    """
    _install()
    _thread.rows = rows
    try:
        yield
    finally:
        _thread.rows = None


def _install() -> None:
    module = sys.modules.get(_MODULE)
    upsert: Any = getattr(module, _UPSERT, None)
    # If it is missing, MLflow writes the rows in its own way.
    if upsert is not None and not isinstance(upsert, wrapt.FunctionWrapper):
        setattr(module, _UPSERT, wrapt.FunctionWrapper(upsert, _upsert))


def _upsert(wrapped: Callable[..., Any], _instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401 - passes on what MLflow gives
    new = _thread.rows
    if new is None or kwargs or len(args) != _ARGUMENTS:
        return wrapped(*args, **kwargs)
    session, entities, rows = args
    of_new = [row for row in rows if row.get(_TRACE) in new.keys]
    if not new.insert(entities, of_new):
        return wrapped(*args)
    rest = [row for row in rows if row.get(_TRACE) not in new.keys]
    return wrapped(session, entities, rest) if rest else None
