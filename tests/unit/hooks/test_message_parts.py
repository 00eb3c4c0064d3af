"""Native function calling, reasoning and media: what was sent and answered, as the standard's message parts."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import dspy
import pytest
from dspy.lm15 import Message, Request, Response, TextPart, ThinkingPart, ToolCallPart, Usage

from tests.support.in_process_lm import AsyncScriptedEngine, ScriptedEngine
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Callable

_dspy: Any = dspy
_PIXEL: Final = base64.b64encode(bytes(range(60))).decode()
_TOOL: Final = {
    "type": "function",
    "function": {
        "name": "lookup",
        "description": "Look a city up.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
_DEFINITION: Final = {
    "name": "lookup",
    "description": "Look a city up.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "type": "function",
}
_CALL: Final = {
    "arguments": {"city": "Ulm", "api_key": "[redacted]"},
    "name": "lookup",
    "id": "c1",
    "type": "tool_call",
}
_KEY: Final = "sk-planted-secret-0123456789abcdef"


class _Asking(ScriptedEngine):
    """A model that thinks, and asks for a tool without a word."""

    def __init__(self) -> None:
        super().__init__(lambda _: "")

    def complete(self, request: Request) -> Response:
        """Reasoning and a call."""
        del request
        call = ToolCallPart(id="c1", name="lookup", input={"city": "Ulm", "api_key": _KEY})
        return Response(
            id="r1",
            model="scripted-2026",
            message=Message(role="assistant", parts=(ThinkingPart(text="Where is Ulm? max@example.org knows."), call)),
            finish_reason="tool_call",
            usage=Usage(input_tokens=10, output_tokens=5, total_tokens=15, cache_write_tokens=30, input_audio_tokens=7),
        )


def _asking(**settings: Any) -> dspy.LM:
    engine = _Asking()
    given: dict[str, Any] = {"cache": False, "num_retries": 0, **settings}
    return dspy.LM("openai/scripted", engine=engine, async_engine=AsyncScriptedEngine(engine), **given)


def _attributes(act: Callable[[], object], **settings: Any) -> list[dict[str, Any]]:
    with recording(capture_content=True, **settings) as recorder:
        act()
    assert _KEY not in str([span.attributes for span in recorder.spans])
    return [dict(span.attributes or {}) for span in recorder.named("chat")]


def _redact(_name: str, text: str) -> str:
    return text.replace("max@example.org", "<mail>")


@pytest.mark.parametrize("model_type", ["chat", "responses"])
@pytest.mark.parametrize("awaited", [False, True])
def test_a_call_of_a_tool_and_its_reasoning(*, awaited: bool, model_type: str) -> None:
    """Both are parts of the answer, which has no text; the tool's definition stands beside the messages."""
    lm: Any = _asking(model_type=model_type)
    messages = [{"role": "user", "content": "Where is Ulm?"}]

    def act() -> None:
        if awaited:
            asyncio.run(lm.acall(messages=messages, tools=[_TOOL]))
        else:
            lm(messages=messages, tools=[_TOOL])

    (chat,) = _attributes(act, redact=_redact)
    assert json.loads(chat["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [{"content": "Where is Ulm? <mail> knows.", "type": "reasoning"}, _CALL],
            "finish_reason": "tool_call",
            "name": None,
        }
    ]
    assert json.loads(chat["gen_ai.tool.definitions"]) == [_DEFINITION]
    assert (chat["gen_ai.usage.cache_write.input_tokens"], chat["gen_ai.usage.audio.input_tokens"]) == (30, 7)


def test_three_choices_and_a_cache_hit() -> None:
    """`n=3`: one span with three messages and the three requests that DSPy made; a hit has the answer of before."""
    lm: Any = _asking(cache=True)

    def act() -> None:
        for _ in range(2):
            lm("Where is Ulm?", n=3, temperature=1.0, rollout_id=7)

    first, again = _attributes(act)
    answers = json.loads(first["gen_ai.output.messages"])
    assert [[part["type"] for part in answer["parts"]] for answer in answers] == [["reasoning", "tool_call"]] * 3
    assert (first["dspy.lm.requests"], first["gen_ai.usage.input_tokens"]) == (3, 30)
    assert first["gen_ai.usage.cache_write.input_tokens"] == 90
    assert again["gen_ai.output.messages"] == first["gen_ai.output.messages"]
    assert (again["dspy.lm.cache_hit"], "gen_ai.usage.cache_write.input_tokens" in again) == (True, False)


def test_what_came_before_is_sent_along() -> None:
    """A call without content and the answer of its tool, in the messages of the next request."""
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "lookup", "arguments": json.dumps({"city": "Ulm", "api_key": _KEY})},
    }
    messages = [
        {"role": "user", "content": "Where is Ulm?"},
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "I do not know."},
        {"role": "tool", "tool_call_id": "c1", "content": "on the Danube"},
    ]
    lm: Any = _asking()
    (chat,) = _attributes(lambda: lm(messages=messages))
    assert [(one["role"], one["parts"]) for one in json.loads(chat["gen_ai.input.messages"])] == [
        ("user", [{"content": "Where is Ulm?", "type": "text"}]),
        ("assistant", [{"content": "I do not know.", "type": "reasoning"}, _CALL]),
        ("tool", [{"response": "on the Danube", "id": "c1", "type": "tool_call_response"}]),
    ]


_BLOB: Final = {"mime_type": "image/png", "modality": "image", "content": _PIXEL, "type": "blob"}
_OMITTED: Final = {
    **_BLOB,
    "content": "",
    "size": 60,
    "sha256": hashlib.sha256(bytes(range(60))).hexdigest(),
}


@pytest.mark.parametrize(
    ("block", "settings", "part"),
    [
        ({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PIXEL}"}}, {}, _BLOB),
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PIXEL}"}},
            {"max_media_bytes": 59},
            _OMITTED,
        ),
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PIXEL}"}},
            {"max_content_length": 79},
            _OMITTED,
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://max:hunter2hunter2@example.org/ulm.png"}},
            {},
            {"mime_type": None, "modality": "image", "uri": "https://[redacted]@example.org/ulm.png", "type": "uri"},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": _PIXEL, "format": "wav"}},
            {},
            {**_BLOB, "mime_type": "audio/wav", "modality": "audio"},
        ),
        (
            {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{_PIXEL}"}},
            {},
            {**_BLOB, "mime_type": "application/pdf", "modality": "document"},
        ),
        (
            {"type": "file", "file": {"file_id": "file-1"}},
            {},
            {"mime_type": None, "modality": "document", "file_id": "file-1", "type": "file"},
        ),
    ],
)
def test_images_sounds_and_files(block: dict[str, Any], settings: dict[str, Any], part: dict[str, Any]) -> None:
    """Each is a part of its own kind; one that is too large for the settings is recorded by size and digest."""
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, block]}]
    answer = ScriptedEngine(lambda _: "Ulm")
    lm: Any = dspy.LM("openai/scripted", engine=answer, cache=False)
    (chat,) = _attributes(lambda: lm(messages=messages), **settings)
    (message,) = json.loads(chat["gen_ai.input.messages"])
    assert message["parts"] == [{"content": "What is this?", "type": "text"}, part]


def test_dspys_own_native_function_calling(monkeypatch: pytest.MonkeyPatch) -> None:
    """`dspy.ToolCalls` with an adapter that calls natively: the tools and the call are the standard's."""

    class Ask(dspy.Signature):
        """Ask a tool."""

        question: str = dspy.InputField()
        tools: list[dspy.Tool] = dspy.InputField()
        calls: dspy.ToolCalls = dspy.OutputField()

    def lookup(city: str) -> str:
        """Look a city up."""
        return city

    monkeypatch.setattr(dspy.LM, "supports_function_calling", True)  # DSPy does not know the scripted model
    lm: Any = _asking()

    def act() -> None:
        adapter = dspy.ChatAdapter(use_native_function_calling=True)
        with dspy.context(lm=lm, adapter=adapter):
            _dspy.Predict(Ask)(question="Where is Ulm?", tools=[dspy.Tool(lookup)])

    (chat,) = _attributes(act)
    (answer,) = json.loads(chat["gen_ai.output.messages"])
    assert [part["type"] for part in answer["parts"]] == ["reasoning", "tool_call"]
    assert [tool["name"] for tool in json.loads(chat["gen_ai.tool.definitions"])] == ["lookup"]


def test_a_typed_request() -> None:
    """`lm(Request(…))`: its messages and the typed answer have the same parts."""
    request = Request(
        model="openai/scripted", messages=(Message(role="user", parts=(TextPart(text="Where is Ulm?"),)),)
    )
    lm: Any = _asking()
    (chat,) = _attributes(lambda: lm(request))
    (asked,) = json.loads(chat["gen_ai.input.messages"])
    (answer,) = json.loads(chat["gen_ai.output.messages"])
    assert (asked["role"], asked["parts"]) == ("user", [{"content": "Where is Ulm?", "type": "text"}])
    assert answer["parts"][1] == _CALL
