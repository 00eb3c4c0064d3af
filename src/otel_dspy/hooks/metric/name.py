"""What a metric is called."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Final

_WRAPPED: Final = ("bootstrap_trace_data.<locals>.wrapped_metric", "_patch_metric.<locals>._patched")


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


def scoring_metric(metric: Any) -> Any:
    """The metric that scores; None where nothing does.

    `bootstrap_trace_data` (dspy/teleprompt/bootstrap_trace.py of 3.4.1) hands Evaluate a metric of its own, around the
    one that it was given; without one it gives every example True, which is no score. So does MLflow's autologging
    (mlflow/dspy/autolog.py of 3.17.2), to attach the score to its trace.
    """
    if getattr(metric, "__qualname__", None) not in _WRAPPED:
        return metric
    return scoring_metric(inspect.getclosurevars(inspect.unwrap(metric)).nonlocals.get("metric"))
