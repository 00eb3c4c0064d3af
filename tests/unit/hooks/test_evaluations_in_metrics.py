"""A metric that evaluates programs itself, during an optimization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
from dspy.teleprompt import BootstrapFewShot, BootstrapFewShotWithRandomSearch

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.optimizers import Rounds
from tests.support.span_recorder import recording

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
    with dspy.context(lm=addition_lm()), recording() as recorder:
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


def test_examples_of_other_evaluations_are_compared_with_no_trial() -> None:
    """The metric evaluates two of the trial's own examples: these are not the trial's, nor the start's."""
    recorder = _optimized(BootstrapFewShotWithRandomSearch(evaluating, num_candidate_programs=0, num_threads=1))
    compared = {
        (found["trial.index"], "evaluate.within_example" in found): "example.initial_score" in found
        for found in recorder.attributes_of("example")
        if "trial.index" in found
    }
    assert compared == {(trial, inner): trial > 0 and not inner for trial in range(3) for inner in (False, True)}


def test_a_stand_alone_evaluation() -> None:
    """Those that its examples make are marked, with their datasets and examples, and have all that it has."""
    with dspy.context(lm=addition_lm()), recording(capture_content=True) as recorder:
        dspy.Evaluate(devset=examples(3), metric=evaluating, num_threads=1)(dspy.Predict("question -> answer"))
    large = ("evaluate.results", "program.state")
    assert [
        (
            found["evaluate.num_examples"],
            found.get("evaluate.within_example"),
            [name for name in large if name in found],
        )
        for found in recorder.attributes_of("evaluate")
    ] == [(size, mark, [*large]) for size, mark in ((3, None), (2, True), (0, True), (2, True), (2, True))]
    assert [
        (found["dataset.size"], found.get("evaluate.within_example")) for found in recorder.attributes_of("dataset")
    ] == [(3, None), (2, True), (0, True), (2, True), (2, True)]
    marked = [found.get("evaluate.within_example", False) for found in recorder.attributes_of("example")]
    assert sorted(marked) == [False] * 3 + [True] * 6


def test_an_optimizer_without_trials_has_none() -> None:
    """The metric is called for the attempts of a bootstrap."""
    recorder = _optimized(BootstrapFewShot(evaluating))
    assert not recorder.named("trial")
    (compiled,) = recorder.attributes_of("compile BootstrapFewShot")
    assert compiled["compile.trial.count"] == 0
    assert "compile.best_score" not in compiled
