"""An empty cache of DSPy, in memory alone, in place of the process's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dspy

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def use_a_fresh_cache(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Replace DSPy's cache until the test ends.

    Args:
        monkeypatch: puts the cache back.
        folder: an empty folder, to which nothing is written.
    """
    from dspy.clients.cache import Cache  # noqa: PLC0415 - beside its only use

    fresh = Cache(enable_disk_cache=False, enable_memory_cache=True, disk_cache_dir=str(folder))
    monkeypatch.setattr(dspy, "cache", fresh)
