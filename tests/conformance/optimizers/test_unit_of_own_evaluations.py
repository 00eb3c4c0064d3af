"""Evaluations that a user's subclass adds to an optimizer which scores its trials by the mean of the metric's values."""

from __future__ import annotations

from typing import Any, cast

import dspy
import pytest

from tests.support import gepa_task
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.span_recorder import recording


def _evaluate(program: Any, data: list[dspy.Example], metric: Any) -> None:
    evaluate: Any = dspy.Evaluate(devset=data, metric=metric, num_threads=1)
    evaluate(program)


class _GEPA(dspy.GEPA):  # pyright: ignore[reportGeneralTypeIssues, reportUntypedBaseClass] - a decorator without types
    """Evaluates before and after the search."""

    def compile(self, student: Any, **arguments: Any) -> Any:
        _evaluate(student, gepa_task.VALSET, gepa_task.graded)
        found = cast("Any", super()).compile(student, **arguments)
        _evaluate(found, gepa_task.VALSET, gepa_task.graded)
        return found


class _SIMBA(dspy.SIMBA):
    """The same."""

    def compile(self, student: Any, **arguments: Any) -> Any:
        _evaluate(student, examples(4), exact)
        found = super().compile(student, **arguments)
        _evaluate(found, examples(4), exact)
        return found


def _gepa() -> None:
    optimizer = _GEPA(
        gepa_task.graded,
        reflection_lm=gepa_task.reflection_lm(),
        reflection_minibatch_size=2,
        max_metric_calls=46,
        num_threads=1,
    )
    with dspy.context(lm=gepa_task.task_lm()):
        optimizer.compile(gepa_task.Pair(), trainset=gepa_task.TRAINSET, valset=gepa_task.VALSET)


def _simba() -> None:
    metric: Any = exact
    optimizer = _SIMBA(metric=metric, bsize=4, num_candidates=2, max_steps=1, max_demos=1, num_threads=1)
    with dspy.context(lm=addition_lm()):
        optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(4))


@pytest.mark.parametrize("optimize", [_gepa, _simba])
def test_they_have_the_unit_of_the_optimizers_trials(optimize: Any) -> None:
    """DSPy's percent are recorded as the mean of the metric, so that they compare: none wins by its unit."""
    with recording() as recorder:
        optimize()
    trials = [trial for trial in recorder.attributes_of("trial") if "trial.score" in trial]
    assert {trial["trial.score.unit"] for trial in trials} == {"ratio"}
    assert max(trial["trial.score"] for trial in trials) <= 1
    added = [trial["trial.score"] for trial in trials if trial.get("trial.derived")]
    (compiled,) = [found for found in recorder.attributes_of("compile") if found["optimizer.name"].startswith("_")]
    assert len(added) == 2
    assert compiled["trial.score.unit"] == "ratio"
    assert compiled["compile.best_score"] == max(
        trial["trial.score"] for trial in trials if trial["trial.scope"] == "full"
    )
    evaluated = [found["evaluate.score"] for found in recorder.attributes_of("evaluate") if "evaluate.score" in found]
    assert [round(100 * score, 2) for score in added] == [evaluated[0], evaluated[-1]]
