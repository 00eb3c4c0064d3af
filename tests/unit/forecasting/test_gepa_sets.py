"""Forecasts for GEPA's ways to give a budget, with and without a validation set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest

from otel_dspy import forecast
from tests.support.addition_task import examples
from tests.support.gepa_task import graded
from tests.support.in_process_lm import in_process_lm

if TYPE_CHECKING:
    from otel_dspy.hooks.optimizers.plans.call_plan import Amount


def _program_runs(*sizes: int, **budget: Any) -> Amount | None:
    """The forecast runs, for a training set and a validation set of these sizes."""
    optimizer = dspy.GEPA(metric=graded, reflection_lm=in_process_lm(lambda _: ""), **budget)
    return forecast(optimizer, dspy.Predict("question -> answer"), *map(examples, sizes)).program_runs


@pytest.mark.parametrize("budget", [{"auto": "light"}, {"max_metric_calls": 60}])
def test_without_a_validation_set_the_training_set_is_used(budget: dict[str, Any]) -> None:
    """As GEPA does: the forecast is that of both sets being the same."""
    found = _program_runs(12, **budget)
    assert found is not None
    assert found.low >= 12
    assert found == _program_runs(12, 12, **budget)
    assert found != _program_runs(12, 24, **budget)


def test_full_evaluations_are_of_both_sets() -> None:
    """Three of them are as many metric calls; without a validation set its examples are not counted."""
    assert _program_runs(12, 5, max_full_evals=3) == _program_runs(12, 5, max_metric_calls=3 * (12 + 5))
    assert _program_runs(12, max_full_evals=3) == _program_runs(12, max_metric_calls=3 * 12)
