"""MLflow's chat view of functions, reasoning, an image, audio and a file."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, cast

import pytest
from inline_snapshot import snapshot
from mlflow import MlflowClient
from mlflow.genai.utils.trace_utils import extract_available_tools_from_trace
from mlflow.types.chat import ChatMessage

from otel_dspy import DSPyInstrumentor
from tests.integration.mlflow.contract_spans import provider
from tests.support.lm_server import scripted_lm
from tests.support.native_calls import MEDIA, PIXEL, SOUND, agent, answer, native, native_lm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.integration.mlflow.conftest import CallContext


def _traces(place: CallContext) -> list[Any]:
    place.read()
    client: Any = MlflowClient(place.uri)
    experiment = client.get_experiment_by_name(place.experiment)
    found = client.search_traces(locations=[experiment.experiment_id], include_spans=True)
    return sorted(found, key=lambda trace: len(trace.data.spans))


def _text_left_out(messages: Sequence[Any]) -> list[Any]:
    """The messages without DSPy's own prompts, which are texts of user and system only."""
    return [one for one in messages if one["role"] not in {"system", "user"}]


@pytest.mark.parametrize("place", ["server"], indirect=True)
def test_function_calls_and_media(place: CallContext) -> None:
    """Each message has a shape that the chat view shows whole, and each tool is one of MLflow's `ChatTool`s."""
    DSPyInstrumentor().instrument(
        tracer_provider=provider(place.processor(), uuid.uuid4().int >> 97), capture_content=True
    )
    try:
        with scripted_lm(answer) as server:
            lm: Any = native_lm(server)
            lm(messages=[{"role": "user", "content": MEDIA}])
            with native(lm):
                agent()(question="Where is Ulm?")
    finally:
        DSPyInstrumentor().uninstrument()
    media, agents = _traces(place)

    (call,) = media.data.spans
    assert [ChatMessage.model_validate(one).model_dump(exclude_none=True) for one in call.inputs] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                {"type": "input_audio", "input_audio": {"data": SOUND, "format": "wav"}},
                {"type": "text", "text": "[application/pdf, 8 bytes]"},
            ],
        }
    ]
    first, second = (span for span in agents.data.spans if span.span_type == "CHAT_MODEL")
    (wanted,) = first.outputs
    assert ChatMessage.model_validate(wanted).content is None
    assert wanted == snapshot(
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "lookup", "arguments": '{"city": "Ulm"}'}}
            ],
            "reasoning": "I do not know Ulm.",
        }
    )
    assert _text_left_out(second.inputs) == snapshot(
        [
            {
                "role": "assistant",
                "parts": [
                    {
                        "content": """\
[[ ## next_thought ## ]]
I do not know Ulm.

[[ ## completed ## ]]
""",
                        "type": "text",
                    },
                    {"arguments": {"city": "Ulm"}, "name": "lookup", "id": "c1", "type": "tool_call"},
                ],
                "name": None,
            },
            {
                "role": "tool",
                "parts": [
                    {
                        "response": '{"city": "Ulm", "river": "Danube", "language": "en"}',
                        "id": "c1",
                        "type": "tool_call_response",
                    }
                ],
                "name": None,
            },
        ]
    )
    assert second.outputs == snapshot(
        [
            {
                "role": "assistant",
                "parts": [
                    {"arguments": {"answer": "on the Danube"}, "name": "submit", "id": "c2", "type": "tool_call"}
                ],
                "finish_reason": "tool_call",
                "name": None,
            }
        ]
    )
    tools = extract_available_tools_from_trace(agents)
    assert [cast("Any", tool).model_dump(exclude_none=True) for tool in tools] == snapshot(
        [
            {
                "type": "function",
                "function": {
                    "name": "lookup",
                    "description": "Look a city up.",
                    "parameters": {
                        "properties": {"city": {"type": "string"}, "language": {}},
                        "type": "object",
                        "required": ["city"],
                    },
                },
            },
            {
                "type": "function",
                "function": {
                    "name": "submit",
                    "description": "Submit the final outputs for the task.",
                    "parameters": {
                        "properties": {"answer": {"type": "string"}},
                        "type": "object",
                        "required": ["answer"],
                    },
                },
            },
        ]
    )
    assert first.attributes["mlflow.chat.tools"] == second.attributes["mlflow.chat.tools"]
    (invoked,) = (span for span in agents.data.spans if span.span_type == "AGENT")
    assert invoked.attributes["mlflow.chat.tools"] == first.attributes["mlflow.chat.tools"]
