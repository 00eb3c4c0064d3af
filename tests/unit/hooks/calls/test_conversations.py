"""Conversations that are inputs of a predictor: messages as the model got them."""

from __future__ import annotations

import json
from typing import Any

import dspy
import pytest

from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording

HISTORY = dspy.History(messages=[{"question": "2+2?", "answer": "four"}])


class Question(dspy.Signature):
    """Answer the question."""

    history: dspy.History = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class OptionalHistory(dspy.Signature):
    """Answer the question."""

    history: dspy.History | None = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


def _messages(program: Any) -> list[dict[str, Any]]:
    """What the span of the call has after the system message."""
    with dspy.context(lm=in_process_lm(dspy_script({}))), recording(capture_content=True) as recorder:
        program(history=HISTORY, question="And squared?")
    (chat,) = recorder.attributes_of("chat")
    return [message for message in json.loads(chat["gen_ai.input.messages"]) if message["role"] != "system"]


@pytest.mark.parametrize(
    ("signature", "roles"), [(Question, ["user", "assistant", "user"]), (OptionalHistory, ["user"])]
)
def test_an_optional_history_is_recorded_as_the_text_that_was_sent(signature: Any, roles: list[str]) -> None:
    """DSPy makes turns of a field whose type is `dspy.History` itself, and JSON of an optional one."""
    messages = _messages(dspy.Predict(signature))
    assert [message["role"] for message in messages] == roles
    is_json = '{"messages": [{"question": "2+2?", "answer": "four"}]}' in messages[0]["parts"][0]["content"]
    assert is_json == (len(roles) == 1)


def test_an_earlier_answer_is_recorded_with_the_reasoning_none() -> None:
    """The text that DSPy sends for an output that the conversation does not have."""
    _, answer, _ = _messages(dspy.ChainOfThought(Question))
    (part,) = answer["parts"]
    assert part["content"].startswith("[[ ## reasoning ## ]]\nNone\n\n[[ ## answer ## ]]\nfour\n")
