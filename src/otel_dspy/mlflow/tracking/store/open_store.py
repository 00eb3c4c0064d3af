"""Opens MLflow's tracking stores by URI."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from typing import Any, Final, cast

from mlflow.tracking._tracking_service.utils import _get_store  # pyright: ignore[reportPrivateUsage, reportUnknownVariableType] - the only door to AbstractStore by URI

from otel_dspy.mlflow.tracking.store import server_artifacts
from otel_dspy.mlflow.tracking.store.database_setup_lock import database_setup

_engines: weakref.WeakSet[Any] = weakref.WeakSet()
"""Connection pools of databases that are written without a server."""
_LOCKS: Final = (
    ("mlflow.tracking._tracking_service.registry", None, "_building_store_lock"),
    ("mlflow.store.tracking.sqlalchemy_store", "SqlAlchemyStore", "_engine_map_lock"),
)
"""(module, class, name) of the locks that MLflow holds while it opens a store; MLflow does not handle forks."""


def open_store(tracking_uri: str) -> Any:  # noqa: ANN401 - MLflow's AbstractStore, which it types in part
    """Return MLflow's `AbstractStore` of a tracking URI."""
    with database_setup(tracking_uri):
        store: Any = cast("Any", _get_store)(tracking_uri, server_artifacts.root())
    engine: Any = getattr(store, "engine", None)
    if hasattr(engine, "dispose"):
        _engines.add(engine)
    return store


def _after_fork() -> None:
    for engine in list(_engines):
        # Connections belong to the parent process; MLflow shares the pool within a process and does not handle forks.
        engine.dispose(close=False)
    for module, class_name, name in _LOCKS:
        loaded: Any = sys.modules.get(module)
        owner: Any = loaded if class_name is None else getattr(loaded, class_name, None)
        # The thread that holds it does not exist here. It sets up a database for longer than a fork waits for it.
        if getattr(getattr(owner, name, None), "locked", bool)():
            setattr(owner, name, threading.Lock())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
