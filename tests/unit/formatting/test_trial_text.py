"""What a trial tried, in a few words."""

from __future__ import annotations

import math

import pytest

from otel_dspy.formatting.trial_text import score_value_text, tried_text


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


@pytest.mark.parametrize("unit", ["percent", "ratio"])
def test_a_score_that_is_nan(unit: str) -> None:
    """It has no unit."""
    assert score_value_text(math.nan, unit) == "NaN"
