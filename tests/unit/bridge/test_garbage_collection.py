"""What the garbage collector of a bridge visits."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

import pytest

from otel_dspy.bridge import garbage_collection
from otel_dspy.bridge.garbage_collection import THRESHOLDS, exclude_modules

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo it at the end."""
    monkeypatch.setattr(garbage_collection, "CHECK", 0.001)
    gc.unfreeze()
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_exists_at_the_first_write_is_not_visited() -> None:
    """Not before, as MLflow's store is imported by it."""
    looks = iter((False, False, True))
    counts: list[int] = []

    def has_written() -> bool:
        counts.append(gc.get_freeze_count())
        return next(looks)

    exclude_modules(has_written, threading.Event())
    assert counts == [0, 0, 0]
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold() == THRESHOLDS


def test_a_bridge_that_ends_before() -> None:
    """The end is not delayed."""
    ended = threading.Event()
    ended.set()
    before = gc.get_threshold()
    exclude_modules(lambda: True, ended)
    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, before)
