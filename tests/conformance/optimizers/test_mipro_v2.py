"""MIPROv2: which trials compete for the best program."""

from __future__ import annotations

import itertools
import json
from typing import Any, cast

import dspy
import pytest

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.span_recorder import recording

SCORES = (0.2, 1.0, 0.3, 0.4, 0.9, 0.1, 0.5)
"""Of one evaluation after the other, as a noisy metric would give them."""
SIZE = 4


def test_minibatches_as_large_as_the_validation_set() -> None:
    """They are minibatches: MIPROv2 lets full evaluations alone compete, and so does the record."""
    calls = itertools.count()

    def noisy(_example: Any, _prediction: Any, trace: object = None) -> float:
        return 1.0 if trace is not None else SCORES[min(next(calls) // SIZE, len(SCORES) - 1)]

    with dspy.context(lm=addition_lm()), recording() as recorder:
        optimizer: Any = dspy.MIPROv2(
            noisy, auto=None, num_candidates=4, max_bootstrapped_demos=1, max_labeled_demos=1, num_threads=1
        )
        best = optimizer.compile(
            dspy.Predict("question -> answer"),
            trainset=examples(SIZE),
            valset=examples(SIZE),
            num_trials=4,
            minibatch=True,
            minibatch_size=SIZE,
            minibatch_full_eval_steps=2,
        )
    recorded = recorder.attributes_of("trial MIPROv2")
    assert [(trial["trial.scope"], trial["trial.score"]) for trial in recorded] == [
        ("full", 20.0),
        ("minibatch", 100.0),
        ("minibatch", 30.0),
        ("full", 40.0),
        ("minibatch", 90.0),
        ("minibatch", 10.0),
        ("full", 50.0),
    ]
    (compiled,) = recorder.attributes_of("compile MIPROv2")
    assert compiled["compile.best_score"] == best.score == 50.0
    assert compiled["compile.best_trial.index"] == recorded[-1]["trial.index"]


def test_an_example_has_the_same_index_in_all_trials() -> None:
    """Its position in the validation set, in minibatches too, on the examples' spans and in the rows; equal ones differ."""
    valset = [*examples(6), *examples(2)]
    questions = [str(cast("Any", example)["question"]) for example in valset]
    with dspy.context(lm=addition_lm()), recording(capture_content=True) as recorder:
        optimizer: Any = dspy.MIPROv2(exact, auto=None, num_candidates=2, max_bootstrapped_demos=1, num_threads=2)
        optimizer.compile(
            dspy.Predict("question -> answer"),
            trainset=examples(8)[::-1],
            valset=valset,
            num_trials=3,
            minibatch_size=3,
        )
    rows: list[list[tuple[int, str]]] = []
    for evaluation in recorder.attributes_of("evaluate"):
        if "trial.index" in evaluation:
            found = json.loads(evaluation["evaluate.results"])
            rows.append([(row["index"], row["inputs"]["question"]) for row in found])
    assert [index for index, _ in rows[0]] == list(range(8))
    assert {len(found) for found in rows} == {3, 8}
    assert [row for found in rows for row in found if questions[row[0]] != row[1]] == []
    spans = [one for one in recorder.attributes_of("example") if "trial.index" in one]
    assert {(one["example.index"], json.loads(one["example.inputs"])["question"]) for one in spans} == set(
        enumerate(questions)
    )


class _Unasked(dspy.Module):
    """Answers with its instructions, and asks no model."""

    def __init__(self) -> None:
        super().__init__()
        self.step = dspy.Predict("question -> answer")

    def forward(self, question: str) -> Any:
        """The instructions."""
        del question
        return dspy.Prediction(answer=cast("Any", self.step).signature.instructions)


@pytest.mark.parametrize(("size", "at_random"), [(50, 9), (51, 8)])
def test_scores_have_no_influence_on_the_first_trials(size: int, at_random: int) -> None:
    """Optuna chooses at random until it has ten trials: the record has what it chose.

    The given program is one of them, and so is each full evaluation, which there are with more than 50 examples.
    """

    def chosen(given: float, proposed: float) -> list[dict[str, Any]]:
        def metric(_example: Any, prediction: Any, _trace: object = None) -> float:
            return given if prediction.answer.startswith("Given the fields") else proposed

        with dspy.context(lm=addition_lm()), recording() as recorder:
            optimizer: Any = dspy.MIPROv2(metric, auto="light", num_threads=1, seed=1)
            optimizer.compile(_Unasked(), trainset=examples(8), valset=examples(size))
        return [
            {name: value for name, value in trial.items() if name.startswith("trial.parameter.")}
            for trial in recorder.attributes_of("trial MIPROv2")
            if trial["trial.kind"] == "candidate"
        ]

    first, opposite = chosen(1.0, 0.0), chosen(0.0, 1.0)
    assert len(first) == len(opposite) == 10
    same = [one == other for one, other in zip(first, opposite, strict=True)]
    assert same == [*[True] * at_random, *[False] * (10 - at_random)]
    assert all(len(one) == 2 for one in first)


def test_a_full_evaluation_without_a_candidate_left() -> None:
    """MIPROv2 raises where all combinations that it tried are fully evaluated: what it has found is in the record."""

    def metric(_example: Any, prediction: Any, _trace: object = None) -> float:
        return 0.5 if prediction.answer.startswith("Given the fields") else 1.0

    with dspy.context(lm=addition_lm()), recording(capture_programs=True) as recorder:
        optimizer: Any = dspy.MIPROv2(
            metric, auto=None, num_candidates=2, max_bootstrapped_demos=0, max_labeled_demos=0, num_threads=1
        )
        with pytest.raises(ValueError, match="No valid program found"):
            optimizer.compile(
                _Unasked(), trainset=examples(8), valset=examples(8), num_trials=9, minibatch_size=2,
                minibatch_full_eval_steps=3,
            )  # fmt: skip
    full = [one for one in recorder.attributes_of("trial MIPROv2") if one["trial.scope"] == "full"]
    assert [one["trial.kind"] for one in full] == ["baseline", "full_evaluation", "full_evaluation"]
    assert {one["trial.score"] for one in full} == {50.0, 100.0}
    assert {one["trial.state"] for one in full} == {"complete"}
    assert len({one["program.id"] for one in full}) == 2
    (compiled,) = recorder.attributes_of("compile MIPROv2")
    assert compiled["error.type"] == "ValueError"
