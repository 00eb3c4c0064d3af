"""COPRO's statistics with two predictors, which count the scores of the first among those of the second."""

from __future__ import annotations

from typing import Any

import dspy

from tests.support.addition_task import examples
from tests.support.learning_lm import learning_lm
from tests.support.span_recorder import recording
from tests.support.two_step_programs import Twice


def test_each_trial_has_its_predictor_and_its_score() -> None:
    """The mean over the trials of the second predictor is the right one; DSPy's is that over all trials."""
    scores = iter([0.1, 0.2, 0.8, 0.9])

    def metric(*_: object) -> float:
        return next(scores)

    optimizer: Any = dspy.COPRO(metric=metric, breadth=2, depth=1, track_stats=True)
    with dspy.context(lm=learning_lm()), recording() as recorder:
        found = optimizer.compile(Twice(), trainset=examples(1), eval_kwargs={"num_threads": 1})
    recorded = [
        (trial["trial.parameter.predictor"], trial["trial.score"])
        for trial in recorder.attributes_of("trial")
        if "trial.parameter.predictor" in trial
    ]
    assert recorded == [("first", 10.0), ("first", 20.0), ("second", 80.0), ("second", 90.0)]
    _, second = found.results_latest.values()
    assert second["average"] == [50.0]
