"""Streams with `n=2` through DSPy's LiteLLM engine, of which LiteLLM makes one answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import dspy
import pytest
from dspy.utils.exceptions import AdapterParseError

from tests.support.dspy_answers import dspy_script
from tests.support.lm_server import scripted_lm
from tests.support.span_recorder import recording


def test_the_one_text_that_dspy_got_is_recorded() -> None:
    """The pieces of both answers in turn, which the adapter cannot parse; the call asked for two choices."""

    async def read(lm: dspy.LM) -> None:
        stream = cast("Any", dspy).streamify(dspy.Predict("question -> answer"))
        with dspy.context(lm=lm):
            async for _ in stream(question="A city?", config={"n": 2, "temperature": 1.0}):
                pass

    with scripted_lm(dspy_script({"answer": lambda _: "Paris in France"})) as server:
        lm = dspy.LM(
            "openai/two", api_base=server.api_base, api_key="-", cache=False, num_retries=0, engine="litellm"
        )  # fmt: skip
        with recording(capture_content=True) as recorder, pytest.raises(AdapterParseError):
            asyncio.run(read(lm))
    (chat,) = recorder.attributes_of("chat")
    assert chat["gen_ai.request.choice.count"] == 2
    (message,) = json.loads(chat["gen_ai.output.messages"])
    assert "Paris in in France" in message["parts"][0]["content"]
    assert recorder.attributes_of("module")[0]["error.type"] == "dspy.utils.exceptions.AdapterParseError"
