"""Means of a metric's additional scores (`objective_scores`)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ObjectiveMeans:
    """Thread-safe running means by objective, each over the examples that have it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, objectives: Mapping[str, float]) -> None:
        """Add the objectives of one example."""
        with self._lock:
            for name, value in objectives.items():
                total, count = self._sums.get(name, (0.0, 0))
                self._sums[name] = total + value, count + 1

    def means(self) -> dict[str, float]:
        """Return the current mean of each objective."""
        with self._lock:
            return {name: total / count for name, (total, count) in self._sums.items()}
