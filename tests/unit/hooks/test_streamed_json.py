"""Streams with the JSON adapter, of which a listener gives the JSON text."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import dspy

from tests.support.dspy_answers import dspy_script
from tests.support.span_recorder import recording
from tests.support.streaming_lm import streaming_lm

ANSWER = 'Say "hi".\nThen smile.'
SCRIPT = dspy_script({"answer": lambda _: ANSWER, "source": lambda _: "a book"})


def test_the_answer_is_recorded_and_json_text_is_streamed() -> None:
    """The reader gets quotation marks and escapes, as without instrumentation; the module's output is the answer."""
    listener = dspy.streaming.StreamListener(signature_field_name="answer")
    program: Any = dspy.Predict("question -> answer, source")
    stream = cast("Any", dspy).streamify(program, stream_listeners=[listener], is_async_program=True)

    async def read() -> str:
        pieces = [piece async for piece in stream(question="How do I greet?")]
        return "".join(piece.chunk for piece in pieces if hasattr(piece, "chunk"))

    with (
        dspy.context(lm=streaming_lm(SCRIPT), adapter=dspy.JSONAdapter()),
        recording(capture_content=True) as recorder,
    ):
        streamed = asyncio.run(read())
    assert streamed.strip().startswith(json.dumps(ANSWER))
    (module,) = recorder.attributes_of("module")
    assert json.loads(module["module.output"])["answer"] == ANSWER
    (chat,) = recorder.attributes_of("chat")
    (message,) = json.loads(chat["gen_ai.output.messages"])
    assert json.loads(message["parts"][0]["content"])["answer"] == ANSWER
