"""What a metric is called."""

from __future__ import annotations

import functools
from typing import Any


def metric_name(metric: Any) -> str | None:
    """A function's or class's name, the class of a callable object, the function inside a partial; None for None."""
    if metric is None:
        return None
    if isinstance(metric, functools.partial):
        return metric_name(metric.func)
    try:
        name = getattr(metric, "__name__", None)
    except Exception:  # a user's __getattr__ may raise anything
        name = None
    return name if isinstance(name, str) else type(metric).__name__
