"""Values that a metric returns: score, label, feedback and objectives."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final, cast

from otel_dspy.serialization.plain_data import number

_MOST_OBJECTIVES: Final = 100


_TRUTH_VALUES: Final = {("numpy", "bool"), ("numpy", "bool_")}
"""numpy's truth value, by the names of numpy 2 and 1: numpy is not imported for it."""


def as_score(value: Any) -> float | None:
    """What a metric returned (number, bool, or a Prediction with a score) as a number; None where it is neither."""
    try:
        return number(getattr(value, "score", value))
    except Exception:
        return None


def feedback_of(value: Any) -> str | None:
    """The feedback text that a metric returned beside its score; None also where it is an object that raises."""
    try:
        feedback = getattr(value, "feedback", None)
        return None if feedback is None else str(feedback)
    except Exception:
        return None


def label_of(value: Any) -> str | None:
    """`pass` or `fail` for a metric that returned a truth value (numpy's included), None for any other."""
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
    """The `objective_scores` that a metric returned beside its score, by name: the first 100 that are numbers.

    Empty where there are none, also where the value is an object that raises.
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
