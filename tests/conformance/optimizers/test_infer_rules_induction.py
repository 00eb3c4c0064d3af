"""What InferRules induces rules from, and how it ends where that is too long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest
from dspy.lm15 import ContextLengthError
from dspy.teleprompt import InferRules

from tests.support.addition_task import addition_lm, exact, examples, half_right
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording
from tests.support.two_step_programs import Searching

if TYPE_CHECKING:
    from collections.abc import Mapping


ERROR = "dspy.utils.exceptions.ContextWindowExceededError"


def _optimizer() -> Any:
    return InferRules(metric=exact, num_candidates=1, num_threads=1, max_labeled_demos=0)


def test_a_prompt_that_is_too_long_ends_the_compile() -> None:
    """The call has the error of the model, and the compile the AssertionError that InferRules makes of it."""

    def too_long(_: Mapping[str, str]) -> str:
        raise ContextLengthError("too long")

    lm = in_process_lm(dspy_script({"answer": half_right, "natural_language_rules": too_long}))
    with dspy.context(lm=lm), recording() as recorder, pytest.raises(AssertionError):
        _optimizer().compile(dspy.Predict("question -> answer"), trainset=examples(4))
    calls = [dict(span.attributes or {}) for span in recorder.named("chat")]
    assert [call["error.type"] for call in calls if "error.type" in call] == [ERROR]
    (trial,) = recorder.attributes_of("trial")
    assert trial["trial.state"] == "fail"
    (compiled,) = recorder.named("compile InferRules")
    assert (compiled.attributes or {})["error.type"] == "AssertionError"


def test_the_prompt_for_the_rules_of_an_inner_step_is_recorded_without_answers() -> None:
    """The induction's call has the questions and no query, although the demos of the step have some."""
    with dspy.context(lm=addition_lm()), recording(capture_content=True) as recorder:
        best = _optimizer().compile(Searching(), trainset=examples(4))
    query = best.write_query.demos[0]["query"]
    (first, *_) = [
        str(call["gen_ai.input.messages"])
        for call in recorder.attributes_of("chat")
        if "examples_text" in str(call["gen_ai.input.messages"])
    ]
    assert "question: 1+1" in first
    assert query not in first
