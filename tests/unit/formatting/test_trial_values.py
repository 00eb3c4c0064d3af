"""What a trial tried, in a few words."""

from __future__ import annotations

import math

import pytest

from otel_dspy.formatting.trial_values import BASELINE, difference_text, score_value_text, tried_text


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        pytest.param({"0_predictor_instruction": 1, "0_predictor_demos": 2}, "instruction 1 + demos 2", id="MIPROv2"),
        pytest.param({"demo_index_for_self": 1}, "demo 1", id="Optuna"),
        pytest.param({"demo_index_for_read": 1, "demo_index_for_say.predict": 0}, "read: demo 1; say.predict: demo 0",
                     id="Optuna, two predictors"),
        pytest.param({"seed": 3}, "trial 7", id="another optimizer: its label"),
    ],
)  # fmt: skip
def test_a_trial_is_named_by_its_choice(parameters: dict[str, object], text: str) -> None:
    """Not by the optimizer's label, which is Optuna's number of the trial."""
    assert tried_text("candidate", "trial 7", parameters) == text


@pytest.mark.parametrize(
    ("label", "parameters", "text"),
    [
        pytest.param("default program", {}, "start", id="MIPROv2"),
        pytest.param("seed -3", {"seed": -3}, "start, seed -3", id="random search: what it ran the start as"),
        pytest.param("iteration 0", {"iteration": 0, "candidate": 0}, "start, candidate 0", id="GEPA"),
        pytest.param("c", {"restored": True, "candidate": 0}, "start, candidate 0, restored", id="GEPA's checkpoint"),
    ],
)
def test_the_trial_of_the_initial_program_is_the_start(label: str, parameters: dict[str, object], text: str) -> None:
    """Of every optimizer."""
    assert tried_text(BASELINE, label, parameters) == text


def test_a_difference_has_the_decimals_of_its_unit() -> None:
    """And its sign."""
    assert [difference_text(0.125, "ratio"), difference_text(-12.5, "percent")] == ["+0.125", "-12.5"]


@pytest.mark.parametrize("unit", ["percent", "ratio"])
def test_a_score_that_is_nan(unit: str) -> None:
    """It has no unit."""
    assert score_value_text(math.nan, unit) == "NaN"
