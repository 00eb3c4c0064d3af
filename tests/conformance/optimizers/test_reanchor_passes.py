"""ReAnchor's passes: one list for both sets, and why an output stays as it was."""

from __future__ import annotations

from typing import Any, cast

import dspy
from dspy.teleprompt import reanchor

from tests.support.in_process_lm import in_process_lm
from tests.support.large_numbers_task import IsLarge, numbers, probably, right
from tests.support.span_recorder import recording


def test_one_list_for_training_and_validation() -> None:
    """Passes over the training set compete, those for the report do not, also where both are the same list."""
    data = numbers(1, 2, 3, 5, 6, 7, 1, 2, 3, 5, 6, 7)
    optimizer: Any = cast("Any", reanchor).ReAnchor(right, num_threads=1, require_cache=False)
    with dspy.context(lm=in_process_lm(probably)), recording() as recorder:
        optimizer.compile(dspy.Predict(IsLarge), trainset=data, valset=data)
    trials = recorder.attributes_of("trial ReAnchor")
    labels = [trial["trial.label"] for trial in trials]
    assert [*labels[:2], *labels[-2:]] == ["before", "validation before", "calibrated", "validation after"]
    unscored = [trial["trial.label"] for trial in trials if "trial.score" not in trial]
    assert unscored == ["validation before", "validation after"]
    (compiled,) = recorder.attributes_of("compile")
    assert (compiled["compile.initial_score"], compiled["compile.best_score"]) == (0.5, 1.0)


def test_an_output_that_stays_as_it_was_has_the_reason() -> None:
    """In ReAnchor's own words, on the trial of the calibrated program; none where a setting was kept."""
    optimizer: Any = cast("Any", reanchor).ReAnchor(right, num_threads=1, require_cache=False)
    with dspy.context(lm=in_process_lm(probably)), recording() as recorder:
        optimizer.compile(dspy.Predict(IsLarge), trainset=numbers(1, 2, 9, 10))
    calibrated = recorder.attributes_of("trial ReAnchor")[-1]
    (fitted,) = optimizer.report["fitted"]
    assert calibrated["trial.label"] == "calibrated"
    assert calibrated["trial.reason"] == f"self.large: {fitted['skipped']}"
    with dspy.context(lm=in_process_lm(probably)), recording() as recorder:
        optimizer.compile(dspy.Predict(IsLarge), trainset=numbers(1, 2, 3, 5, 6, 7, 1, 2, 3, 5, 6, 7))
    assert not [trial for trial in recorder.attributes_of("trial ReAnchor") if "trial.reason" in trial]


def test_fold_checks() -> None:
    """How many of the best settings passed, and which output had a better setting that failed the check."""
    optimizer: Any = cast("Any", reanchor).ReAnchor(right, num_threads=1, require_cache=False)
    for data, expected in (
        ((3, 7, 5), {"passed": 0, "failed": 1}),
        ((1, 2, 3, 4, 5, 6, 7), {"passed": 1, "failed": 0}),
        ((1, 2, 9, 10), {"passed": 0, "failed": 0}),
    ):
        with dspy.context(lm=in_process_lm(probably)), recording() as recorder:
            optimizer.compile(dspy.Predict(IsLarge), trainset=numbers(*data))
        (fitted,) = optimizer.report["fitted"]
        calibrated = recorder.attributes_of("trial ReAnchor")[-1]
        assert fitted["fold_check"] == expected
        assert {name: calibrated[f"trial.measure.fold_checks_{name}"] for name in expected} == expected
        rejected = "1 better setting failed the fold check" in calibrated.get("trial.reason", "")
        assert rejected == bool(expected["failed"])
