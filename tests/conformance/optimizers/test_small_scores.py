"""Scores of less than a ten-thousandth, which DSPy's evaluation rounds away."""

from __future__ import annotations

from typing import Any

import dspy

from tests.support.addition_task import examples
from tests.support.learning_lm import learning_lm
from tests.support.span_recorder import recording


def test_the_examples_have_the_scores_and_the_best_trial_is_the_returned_one() -> None:
    """The trials tie at 0, of which the first wins; the examples' spans have what the metric returned."""
    costs = iter([-0.00004] * 2 + [-0.00001] * 2)

    def minus_dollars(*_: object) -> float:
        return next(costs)

    optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(metric=minus_dollars, num_threads=1)
    with dspy.context(lm=learning_lm()), recording() as recorder:
        returned = optimizer.compile(
            dspy.Predict("question -> answer"), trainset=examples(2), valset=examples(2), restrict=[-3, -2]
        )
    assert not returned.demos
    trials = {trial["trial.index"]: trial for trial in recorder.attributes_of("trial")}
    assert [trial["trial.score"] for trial in trials.values()] == [0.0, 0.0]
    (compiled,) = (one for one in recorder.attributes_of("compile") if "compile.best_trial.index" in one)
    assert compiled["compile.best_trial.index"] == min(trials)
    scores = [one["example.score"] for one in recorder.attributes_of("") if "example.score" in one]
    assert sorted(scores) == [-0.00004, -0.00004, -0.00001, -0.00001]
