"""Opening MLflow's stores."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking._tracking_service import registry

from otel_dspy.mlflow.tracking.store import open_store
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path

WAIT = 60.0


@pytest.mark.parametrize(
    "lock",
    [
        registry._building_store_lock,
        SqlAlchemyStore._engine_map_lock,
    ],
    ids=["building", "engine"],
)
def test_a_process_that_is_forked_while_a_thread_opens_a_store(lock: threading.Lock, tmp_path: Path) -> None:
    """Locks that the thread holds are held for ever in the child, which has no such thread; the parent's stay."""
    blank_store(tmp_path)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            entered.set()
            leave.wait(WAIT)

    holder = threading.Thread(target=hold)
    holder.start()
    assert entered.wait(WAIT)
    child = os.fork()
    if child == 0:
        opening = threading.Thread(
            target=open_store.open_store, args=(f"sqlite:///{tmp_path / 'mlflow.db'}",), daemon=True
        )
        opening.start()
        opening.join(WAIT)
        os._exit(opening.is_alive())
    try:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert lock.locked()
    finally:
        leave.set()
        holder.join()
