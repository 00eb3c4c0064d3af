"""Patch that makes DSPy's progress bars safe for concurrent evaluations in threads."""

from __future__ import annotations

from typing import Any, cast
from weakref import WeakSet


class _Bars(WeakSet[Any]):
    """tqdm's open progress bars, of which each may go twice."""

    def remove(self, item: Any) -> None:
        """Take it out if it is still there."""
        self.discard(item)


def share_progress_bars() -> None:
    """Let evaluations run side by side: DSPy clears tqdm's list of bars while another thread makes one, which raises."""
    import tqdm  # noqa: PLC0415 - not every test needs it

    cast("Any", tqdm.tqdm)._instances = _Bars()
