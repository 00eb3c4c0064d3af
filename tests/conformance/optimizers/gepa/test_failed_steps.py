"""GEPA and the step of a program whose answer cannot be parsed: what the reflection model is shown of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dspy

from tests.support.gepa_task import TRAINSET, VALSET, graded, reflection_lm
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.lm_server import Message


class Search(dspy.Module):
    """Finds passages, and answers from them."""

    def __init__(self) -> None:
        super().__init__()
        self.search: Any = dspy.Predict("question -> query")
        self.respond: Any = dspy.Predict("passages, question -> answer")

    def forward(self, question: str) -> Any:
        """The answer."""
        query = self.search(question=question).query
        return self.respond(passages=f"What is found for {query}.", question=question)


def _unparsable(messages: Sequence[Message]) -> str:
    """A query, and an answer without a field."""
    if "`query`" in str(messages[0]["content"]):
        return "[[ ## query ## ]]\nplaces\n\n[[ ## completed ## ]]"
    return "I do not know."


def test_the_steps_inputs_are_recorded_and_the_reflections_prompt_has_the_programs() -> None:
    """The failed call has the passages; the prompt that is recorded of the reflection has the question alone."""
    with dspy.context(lm=in_process_lm(_unparsable)), recording(capture_content=True) as recorder:
        dspy.GEPA(
            graded, max_metric_calls=14, reflection_lm=reflection_lm(), num_threads=1, reflection_minibatch_size=1,
            add_format_failure_as_feedback=True,
        ).compile(Search(), trainset=TRAINSET, valset=VALSET)  # fmt: skip
    failed = [call for call in recorder.attributes_of("module Predict") if "error.type" in call]
    assert failed
    assert {tuple(json.loads(call["module.input"])) for call in failed} == {("passages", "question")}
    prompts = [
        json.loads(chat["gen_ai.input.messages"])[-1]["parts"][0]["content"]
        for chat in recorder.attributes_of("chat")
        if chat["gen_ai.request.model"] == "reflecting"
    ]
    shown = [prompt for prompt in prompts if "Couldn't parse the output" in prompt]
    assert shown
    assert not any("What is found for places." in prompt for prompt in shown)
