"""Demos with a field that is None, which DSPy sends as incomplete."""

from __future__ import annotations

import json
from typing import Any

import dspy

from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording


class Sender(dspy.Signature):
    """Find the name of the sender, or None."""

    mail: str = dspy.InputField()
    name: str | None = dspy.OutputField()


def test_demos_are_recorded_as_they_were_sent() -> None:
    """The demo with None comes first in the prompt, with DSPy's sentence; it is the last one of the program."""
    program: Any = dspy.Predict(Sender)
    program.demos = [dspy.Example(mail="Yours, Ann", name="Ann"), dspy.Example(mail="Thanks!", name=None)]
    with dspy.context(lm=in_process_lm(dspy_script({}))), recording(capture_content=True) as recorder:
        program(mail="Yours, Bob")
    (chat,) = recorder.attributes_of("chat")
    messages = [one for one in json.loads(chat["gen_ai.input.messages"]) if one["role"] != "system"]
    first, answer, second, *_ = (message["parts"][0]["content"] for message in messages)
    assert "some input or output fields are not supplied" in first
    assert "Thanks!" in first
    assert "None" in answer
    assert "not supplied" not in second
    assert "Yours, Ann" in second
