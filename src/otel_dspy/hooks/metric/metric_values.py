"""Values that a metric returns: score, label, feedback and objectives."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final, cast

from otel_dspy.serialization.plain_data import number

_MOST_OBJECTIVES: Final = 100


_TRUTH_VALUES: Final = {("numpy", "bool"), ("numpy", "bool_")}
"""Module and name of numpy's boolean type in numpy 2 and 1, to detect it without importing numpy."""


def as_score(value: Any) -> float | None:
    """Return a metric's result (number, bool, or a Prediction with a score) as a float; None for other values."""
    try:
        return number(getattr(value, "score", value))
    except Exception:
        return None


def feedback_of(value: Any) -> str | None:
    """Return the feedback text of a metric's result; None if it has none or reading it raises."""
    try:
        feedback = getattr(value, "feedback", None)
        return None if feedback is None else str(feedback)
    except Exception:
        return None


def label_of(value: Any) -> str | None:
    """Return `pass` or `fail` for a boolean result of a metric (numpy's included), None for other values."""
    try:
        verdict = getattr(value, "score", value)
        kind = type(cast("object", verdict))
        if kind is not bool and (kind.__module__, kind.__name__) not in _TRUTH_VALUES:
            return None
        label = "pass" if verdict else "fail"
    except Exception:
        return None
    return label


def objectives_of(value: Any) -> Mapping[str, float]:
    """Return the numbers among the first 100 `objective_scores` of a metric's result, by name.

    Empty if the result has none or reading them raises.
    """
    try:
        if isinstance(value, dict):
            held = cast("dict[str, Any]", value).get("objective_scores")
        else:
            held = getattr(cast("object", value), "objective_scores", None)
        if not isinstance(held, Mapping):
            return {}
        scores = cast("Mapping[object, object]", held).items()
        found = {str(name): number(score) for name, score in islice(scores, _MOST_OBJECTIVES)}
        return {name: score for name, score in found.items() if score is not None}
    except Exception:
        return {}
