"""SIMBA: the program that a candidate was made from, and the candidate that a validation is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest

from tests.support.addition_task import exact, examples
from tests.support.learning_lm import learning_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from tests.support.span_recorder import Recorder


def _below_zero(example: Any, prediction: Any, trace: object = None) -> float:
    return exact(example, prediction, trace) - 10.0


def _optimized(metric: Any = exact, **settings: Any) -> tuple[Any, Recorder]:
    given: dict[str, Any] = {"bsize": 4, "num_candidates": 3, "max_demos": 2, "num_threads": 1, **settings}
    with dspy.context(lm=learning_lm(fickle=True)), recording(capture_programs=True) as recorder:
        best = dspy.SIMBA(metric=metric, **given).compile(
            dspy.Predict("question -> answer"), trainset=examples(6), seed=3
        )
    return best, recorder


@pytest.mark.parametrize(("metric", "built_on_candidates"), [(exact, True), (_below_zero, False)])
def test_with_negative_scores_each_candidate_is_made_from_the_given_program(
    metric: Any, *, built_on_candidates: bool
) -> None:
    """SIMBA counts the given program as 0: with scores below 0 it is the source of each candidate, and recorded as it."""
    _, recorder = _optimized(metric, max_steps=3)
    candidates = [
        trial for trial in recorder.attributes_of("trial SIMBA") if trial["trial.kind"] == "candidate"
    ]  # fmt: skip
    later = [one["trial.parameter.source_simba_idx"] for one in candidates if one["trial.parameter.step"] > 0]
    assert later
    assert any(source > 0 for source in later) is built_on_candidates


def test_a_validation_names_its_candidate_where_trial_logs_have_another_step() -> None:
    """With fewer candidates than steps not each step's winner is validated: `trial_logs` number the validations on."""
    best, recorder = _optimized(num_candidates=2, max_steps=4)
    trials = recorder.attributes_of("trial SIMBA")
    step_of = {one["program.id"]: one["trial.parameter.step"] for one in trials if one["trial.kind"] == "candidate"}
    validations = [one for one in trials if one["trial.kind"] == "full_evaluation"]
    recorded = [(step_of[one["program.id"]], one["trial.score"]) for one in validations]
    logged = [(step, log["train_score"]) for step, log in best.trial_logs.items() if "train_score" in log]
    assert [score for _, score in recorded] == [score for _, score in logged]
    assert [step for step, _ in logged] == [0, 1]
    assert [step for step, _ in recorded] == [1, 3]
