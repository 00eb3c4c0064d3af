"""Several answers of a reasoning model, for which DSPy sets a temperature that such models reject."""

from __future__ import annotations

from typing import Any

import dspy
import pytest

from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.with_and_without import same_with_and_without


@pytest.mark.parametrize(("answers", "temperature"), [(1, None), (2, 0.7)])
def test_the_temperature_that_was_sent_is_recorded(answers: int, temperature: float | None) -> None:
    """With one answer there is none; the call of two has DSPy's 0.7."""
    lm = in_process_lm(dspy_script({}), model="openai/gpt-5")
    program: Any = dspy.Predict("question -> answer", n=answers)

    def ask() -> Any:
        with dspy.context(lm=lm):
            return program(question="Why?").completions.answer

    recorder = same_with_and_without(ask)
    (call,) = [dict(span.attributes or {}) for span in recorder.named("chat")]
    assert call.get("gen_ai.request.temperature") == temperature
