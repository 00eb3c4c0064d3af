"""The two-step adapter: what its two models are sent, as it is sent."""

from __future__ import annotations

import json
from typing import Any

import dspy

from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording


class About(dspy.Signature):
    """Answer questions about an image."""

    image: dspy.Image = dspy.InputField()
    history: dspy.History = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


def _calls(signature: Any, **inputs: Any) -> list[list[dict[str, Any]]]:
    """The messages of the two calls: the one that answers, the one that extracts the fields of the answer."""
    extraction = in_process_lm(dspy_script({}), model="openai/extraction")
    program: Any = dspy.Predict(signature)
    adapter = dspy.TwoStepAdapter(extraction)
    with (
        dspy.context(lm=in_process_lm(lambda _: "The cat sat."), adapter=adapter),
        recording(capture_content=True) as recorder,
    ):
        program(**inputs)
    calls = recorder.attributes_of("chat")
    assert [call["gen_ai.request.model"] for call in calls] == ["scripted", "extraction"]
    return [json.loads(call["gen_ai.input.messages"]) for call in calls]


def test_the_second_prompt_has_no_answer_for_an_output_named_text() -> None:
    """It has the first model's answer for an output of another name."""
    assert "The cat sat." in json.dumps(_calls("request -> reply", request="Write.")[1])
    assert "The cat sat." not in json.dumps(_calls("request -> text", request="Write.")[1])


def test_an_image_is_recorded_as_the_text_that_was_sent() -> None:
    """One message, of one text: DSPy's marker with the image in it, and the turns of the conversation."""
    first, _ = _calls(
        About,
        image=dspy.Image("data:image/png;base64,iVBORw0KGgo="),
        history=dspy.History(messages=[{"question": "What is it?", "answer": "A cat."}]),
        question="Which color?",
    )
    (part,) = first[-1]["parts"]
    assert [message["role"] for message in first if message["role"] != "system"] == ["user"]
    assert part["type"] == "text"
    assert '"url": "data:image/png;base64,iVBORw0KGgo="' in part["content"]
    assert "history: messages=[{'question': 'What is it?', 'answer': 'A cat.'}]" in part["content"]
