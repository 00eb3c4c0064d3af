"""Name of a metric."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Final

_WRAPPED: Final = ("bootstrap_trace_data.<locals>.wrapped_metric", "_patch_metric.<locals>._patched")


def metric_name(metric: Any) -> str | None:
    """Return the name of a function or class, or of the class of a callable object; unwrap partials; None for None."""
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
    """Return the user's metric inside the wrappers of DSPy and MLflow; None if there is none.

    `bootstrap_trace_data` (dspy/teleprompt/bootstrap_trace.py of 3.4.1) passes Evaluate a wrapper of the given metric.
    Without a metric the wrapper returns True for every example, which is not a score. MLflow's autologging
    (mlflow/dspy/autolog.py of 3.17.2) wraps the metric to attach the score to its trace.
    """
    if getattr(metric, "__qualname__", None) not in _WRAPPED:
        return metric
    return scoring_metric(inspect.getclosurevars(inspect.unwrap(metric)).nonlocals.get("metric"))
