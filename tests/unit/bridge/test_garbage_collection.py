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
    """What earlier tests have left is not visited, and the thresholds are restored at the end."""
    monkeypatch.setattr(garbage_collection, "CHECK", 0.001)
    gc.freeze()
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def _is_visited(value: object) -> bool:
    return any(one is value for one in gc.get_objects())


def test_what_exists_at_the_first_write_is_not_visited() -> None:
    """Not before, as MLflow's store is imported by it."""
    existing: list[object] = []
    looks = iter((False, False, True))
    visited: list[bool] = []

    def has_written() -> bool:
        visited.append(_is_visited(existing))
        return next(looks)

    exclude_modules(has_written, threading.Event())
    assert visited == [True, True, True]
    assert not _is_visited(existing)
    assert gc.get_threshold() == THRESHOLDS


def test_a_bridge_that_ends_before() -> None:
    """The end is not delayed."""
    existing: list[object] = []
    ended = threading.Event()
    ended.set()
    before = gc.get_threshold()
    exclude_modules(lambda: True, ended)
    assert (_is_visited(existing), gc.get_threshold()) == (True, before)
