"""A metric that evaluates programs itself, during an optimization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
from dspy.teleprompt import BootstrapFewShot

from tests.support.optimizers import Rounds
from tests.support.span_recorder import recording
from tests.support.sums import exact, examples, sums_lm

if TYPE_CHECKING:
    from tests.support.span_recorder import Recorder


def evaluating(example: Any, prediction: Any, trace: object = None) -> float:
    """Evaluate another program on two examples; raise for the first example."""
    del prediction, trace
    evaluate: Any = dspy.Evaluate(devset=examples(2), metric=exact, num_threads=1)
    score: float = evaluate(dspy.Predict("question -> answer")).score
    if example["question"] == "0+1":
        # The inner evaluation raises too: it has no examples.
        dspy.Evaluate(devset=[], metric=exact, num_threads=1)(dspy.Predict("question -> answer"))
    return score / 100


def _optimized(optimizer: Any) -> Recorder:
    with dspy.context(lm=sums_lm()), recording() as recorder:
        optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(3))
    return recorder


def test_trials_are_those_of_the_optimizer() -> None:
    """Number of examples, score and state of a trial are those of its own evaluation."""
    recorder = _optimized(Rounds(evaluating, rounds=2))
    trials = recorder.attributes_of("trial")
    assert [
        (trial["trial.score"], trial["trial.state"], trial["evaluate.num_examples"], trial["trial.is_best"])
        for trial in trials
    ] == [(33.33, "complete", 3, True), (33.33, "complete", 3, False)]
    # The table of a trial has the rows of its own examples.
    evaluations = recorder.attributes_of("evaluate")
    assert [found["evaluate.num_examples"] for found in evaluations] == [3, 2, 0, 2, 2] * 2
    assert [found["evaluate.num_examples"] for found in evaluations if "evaluate.results" in found] == [3, 3]
    # What is spent is the trial's all the same: three calls, and two for each of three examples.
    assert [trial["usage.lm_calls"] for trial in trials] == [9, 9]


def test_an_optimizer_without_trials_has_none() -> None:
    """The metric is called for the attempts of a bootstrap."""
    recorder = _optimized(BootstrapFewShot(evaluating))
    assert not recorder.named("trial")
    (compiled,) = recorder.attributes_of("compile BootstrapFewShot")
    assert compiled["compile.trial.count"] == 0
    assert "compile.best_score" not in compiled
