"""Outputs with bounds, which DSPy names in the prompt and does not check."""

from __future__ import annotations

import json
from typing import Any

import dspy

from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording


class Judge(dspy.Signature):
    """Judge a text."""

    text: str = dspy.InputField()
    score: int = dspy.OutputField(ge=1, le=5)


def test_the_value_outside_the_bounds_is_recorded() -> None:
    """One call, no error: the value that the program gets, and the bounds in the prompt."""
    program: Any = dspy.Predict(Judge)
    lm = in_process_lm(dspy_script({"score": lambda _: "9"}))
    with dspy.context(lm=lm), recording(capture_content=True) as recorder:
        assert program(text="It is so.").score == 9
    (call,) = recorder.attributes_of("module Predict")
    assert json.loads(call["module.output"]) == {"score": 9}
    assert "error.type" not in call
    (chat,) = recorder.attributes_of("chat")
    assert "less than or equal to: 5" in chat["gen_ai.input.messages"]
