"""Native function calling over HTTP: ReActV2 called, awaited and streamed, and several choices of one call."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
from inline_snapshot import snapshot

from tests.support.lm_server import scripted_lm
from tests.support.native_calls import agent, answer, native, native_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.sdk.trace import ReadableSpan

    from tests.support.lm_server import LMServer

ASKED = {"arguments": {"city": "Ulm"}, "name": "lookup", "id": "c1", "type": "tool_call"}
REASONING = {"content": "I do not know Ulm.", "type": "reasoning"}


@pytest.fixture
def server() -> Generator[LMServer]:
    """A served model that calls functions."""
    with scripted_lm(answer) as running:
        yield running


def _messages(span: ReadableSpan, direction: str) -> list[dict[str, Any]]:
    return json.loads(str((span.attributes or {})[f"gen_ai.{direction}.messages"]))


async def _streamed(program: Any) -> Any:
    streamed = cast("Any", dspy).streamify(program, is_async_program=True)
    return [chunk async for chunk in streamed(question="Where is Ulm?")][-1]


@pytest.mark.parametrize("way", ["called", "awaited", "streamed"])
def test_react_v2(server: LMServer, way: str) -> None:
    """The whole tree, with each call of a tool in the answer that wants it and its result in the next request."""
    with native(native_lm(server)), recording(capture_content=True) as recorder:
        program = agent()
        if way == "called":
            prediction = program(question="Where is Ulm?")
        else:
            awaited = program.acall(question="Where is Ulm?") if way == "awaited" else _streamed(program)
            prediction = asyncio.run(awaited)
    assert (prediction.answer, prediction.termination_reason) == ("on the Danube", "submit")
    shown = ("gen_ai.usage", "gen_ai.response.finish_reasons", "gen_ai.tool.call", "module.output")
    assert recorder.tree("", *shown) == snapshot(
        [
            'module ReActV2 module.output={"answer":"on the Danube","history":{"messages":[{"question":"Where is Ulm?","next_thought":"I do not know Ulm.","tool_calls":{"tool_calls":[{"name":"lookup","args":{"city":"Ulm"}}],"tool_call_results":{"tool_call_results":[{"call_id":"c1","name":"lookup","value":{"city":"Ulm","river":"Danube","language":"en"},"is_error":false}]}}},{"tool_calls":{"tool_calls":[{"name":"submit","args":{"answer":"on the Danube"}}],"tool_call_results":{"tool_call_results":[{"call_id":"c2","name":"submit","value":{"answer":"on the Danube"},"is_error":false}]}},"answer":"on the Danube"}]},"termination_reason":"submit"}',
            "  invoke_agent ReActV2",
            '    module Predict module.output={"next_thought":"I do not know Ulm.","tool_calls":{"tool_calls":[{"name":"lookup","args":{"city":"Ulm"}}]}}',
            "      chat gpt-4o-mini gen_ai.response.finish_reasons=('tool_call',) gen_ai.usage.input_tokens=10 gen_ai.usage.output_tokens=5",
            '    execute_tool lookup gen_ai.tool.call.arguments={"city":"Ulm"} gen_ai.tool.call.result={"city":"Ulm","river":"Danube","language":"en"}',
            '    module Predict module.output={"next_thought":null,"tool_calls":{"tool_calls":[{"name":"submit","args":{"answer":"on the Danube"}}]}}',
            "      chat gpt-4o-mini gen_ai.response.finish_reasons=('tool_call',) gen_ai.usage.input_tokens=20 gen_ai.usage.output_tokens=7",
            '    execute_tool submit gen_ai.tool.call.arguments={"answer":"on the Danube"} gen_ai.tool.call.result={"answer":"on the Danube"}',
        ]
    )
    first, second = recorder.named("chat")
    assert _messages(first, "output") == [
        {"role": "assistant", "parts": [REASONING, ASKED], "finish_reason": "tool_call", "name": None}
    ]
    assert [(one["role"], one["parts"][-1]) for one in _messages(second, "input")[2:4]] == snapshot(
        [
            ("assistant", {"arguments": {"city": "Ulm"}, "name": "lookup", "id": "c1", "type": "tool_call"}),
            (
                "tool",
                {
                    "response": '{"city": "Ulm", "river": "Danube", "language": "en"}',
                    "id": "c1",
                    "type": "tool_call_response",
                },
            ),
        ]
    )
    assert [(first.attributes or {}).get("gen_ai.request.stream")] == [True if way == "streamed" else None]
    definitions = json.loads(str((first.attributes or {})["gen_ai.tool.definitions"]))
    assert definitions == snapshot(
        [
            {
                "name": "lookup",
                "description": "Look a city up.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "city": {"type": "string"},
                        "language": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
                    },
                    "required": ["city"],
                },
                "type": "function",
            },
            {
                "name": "submit",
                "description": "Submit the final outputs for the task.",
                "parameters": {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]},
                "type": "function",
            },
        ]
    )
    (agents,) = recorder.named("invoke_agent")
    assert json.loads(str((agents.attributes or {})["gen_ai.tool.definitions"])) == definitions


@pytest.mark.parametrize(
    ("engine", "requests", "tokens", "reason"),
    [("litellm", 1, (10, 5), "tool_calls"), ("auto", 3, (30, 15), "tool_call")],
    ids=["one response with three choices", "three requests"],
)
def test_three_choices(server: LMServer, engine: str, requests: int, tokens: tuple[int, int], reason: str) -> None:
    """`n=3`: three answers on one span, with the tokens of all requests that were made, one or three."""
    lm: Any = native_lm(server, engine=engine)
    with recording(capture_content=True) as recorder:
        lm("Where is Ulm?", n=3, temperature=1.0)
    (chat,) = recorder.named("chat")
    recorded = dict(chat.attributes or {})
    assert (len(server.requests), recorded.get("dspy.lm.requests", 1)) == (requests, requests)
    assert (recorded["gen_ai.usage.input_tokens"], recorded["gen_ai.usage.output_tokens"]) == tokens
    assert (recorded["gen_ai.request.choice.count"], recorded["gen_ai.response.finish_reasons"]) == (3, (reason,) * 3)
    one = {"role": "assistant", "parts": [REASONING, ASKED], "finish_reason": "tool_call", "name": None}
    assert _messages(chat, "output") == [one] * 3
