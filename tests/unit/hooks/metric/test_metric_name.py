from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any, NoReturn, cast
from unittest import mock

import dspy
import pytest
from dspy.teleprompt import bootstrap_trace

from otel_dspy.hooks.metric.metric_name import metric_name, scoring_metric


def exact(_example: object, _prediction: object) -> bool:
    """A metric."""
    return True


class Judge:
    """A metric that is an object."""

    def __call__(self) -> bool:
        """Judge."""
        return True

    def strictly(self) -> bool:
        """Judge."""
        return True


class Hostile:
    """Raises for what it lacks."""

    def __getattr__(self, name: str) -> NoReturn:
        """Raise."""
        raise RuntimeError(name)


class Oddly:
    """Has a name that is none."""

    __name__ = 5


@functools.wraps(exact)
def decorated() -> bool:
    """A metric inside a decorator."""
    return True


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        (None, None),
        (exact, "exact"),
        (decorated, "exact"),
        (lambda: True, "<lambda>"),
        (Judge(), "Judge"),
        (Judge, "Judge"),
        (Judge().strictly, "strictly"),
        (functools.partial(functools.partial(exact, 1), 2), "exact"),
        (functools.partial(Judge()), "Judge"),
        (len, "len"),
        (mock.Mock(), "Mock"),
        (dspy.Predict("question -> score"), "Predict"),
    ],
)
def test_what_a_metric_is_called(metric: object, name: str | None) -> None:
    """A short name that a person knows the metric by."""
    assert metric_name(metric) == name


def test_a_metric_that_does_not_let_itself_be_named() -> None:
    """The class is known whatever the object does."""
    assert metric_name(Hostile()) == "Hostile"
    assert metric_name(Oddly()) == "Oddly"


@pytest.mark.parametrize("metric", [exact, None])
def test_a_metric_inside_dspy_s_own_is_the_one_that_scores(metric: Any) -> None:
    """`bootstrap_trace_data` hands Evaluate a function around the user's metric; around none, nothing scores."""
    seen: list[Any] = []
    traced: Any = cast("Any", bootstrap_trace).bootstrap_trace_data

    def evaluate(_self: object, _program: object, metric: object = None, **_: object) -> Any:
        seen.append(scoring_metric(metric))
        return SimpleNamespace(results=[])

    with mock.patch.object(dspy.Evaluate, "__call__", evaluate):
        traced(dspy.Predict("question -> answer"), dataset=[], metric=metric)
    assert seen == [metric]
    assert scoring_metric(exact) is exact
