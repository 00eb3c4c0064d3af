"""Messages as MLflow's chat view shows them."""

from __future__ import annotations

from mlflow.types.chat import ChatTool

from otel_dspy.mlflow.mapping.traces.chat_messages import chat_messages
from otel_dspy.mlflow.mapping.traces.chat_tools import chat_tools

_TEXT = {"type": "text", "content": "What is this?"}
_CALL = {"type": "tool_call", "id": "c1", "name": "lookup", "arguments": {"city": "Ulm"}}
_RESULT = {"type": "tool_call_response", "id": "c1", "response": "on the Danube"}


def test_what_mlflow_shows_by_itself() -> None:
    """Texts, tool calls and their results stay messages of the conventions; so does what is no list."""
    messages = [
        {"role": "user", "parts": [_TEXT]},
        {"role": "assistant", "parts": [_CALL]},
        {"role": "tool", "parts": [_RESULT]},
    ]
    assert chat_messages(messages) is None
    assert chat_messages("[cut") is None
    assert chat_messages(None) is None


def test_images_sounds_and_reasoning() -> None:
    """One part that MLflow does not show: all the messages are OpenAI's, in which it shows images, sounds, reasoning."""
    blob = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAEC"}
    messages = [
        {
            "role": "user",
            "parts": [
                _TEXT,
                blob,
                {**blob, "content": "", "size": 9, "sha256": "ab"},
                {**blob, "modality": "audio", "mime_type": "audio/wav"},
                {"type": "uri", "modality": "image", "uri": "https://example.org/ulm.png"},
                {"type": "file", "modality": "document", "mime_type": None, "file_id": "file-1"},
            ],
        },
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "Look it up."}, _CALL]},
        {"role": "tool", "parts": [_RESULT]},
    ]
    assert chat_messages(messages) == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAEC"}},
                {"type": "text", "text": "[image/png, 9 bytes, sha256 ab]"},
                {"type": "input_audio", "input_audio": {"data": "AAEC", "format": "wav"}},
                {"type": "image_url", "image_url": {"url": "https://example.org/ulm.png"}},
                {"type": "text", "text": "[document, file-1]"},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "lookup", "arguments": '{"city": "Ulm"}'}}
            ],
            "reasoning": "Look it up.",
        },
        {"role": "tool", "tool_call_id": "c1", "content": "on the Danube"},
    ]


def test_messages_that_mlflow_shows_in_part() -> None:
    """Several results of tools, results beside a text, and a message without parts: MLflow shows none of them whole."""
    other: dict[str, object] = {**_RESULT, "id": "c2", "response": {"river": "Danube"}}
    messages: list[dict[str, object]] = [
        {"role": "developer", "parts": [_TEXT]},
        {"role": "user", "parts": [_RESULT, other, _TEXT]},
        {"role": "model", "parts": []},
        {"role": "critic", "parts": [_TEXT]},
    ]
    text = [{"type": "text", "text": "What is this?"}]
    assert chat_messages(messages) == [
        {"role": "system", "content": text},
        {"role": "tool", "tool_call_id": "c1", "content": "on the Danube"},
        {"role": "tool", "tool_call_id": "c2", "content": '{"river": "Danube"}'},
        {"role": "user", "content": text},
        {"role": "assistant", "content": None},
        {"role": "user", "content": text},
    ]


def test_results_beside_texts_are_converted() -> None:
    """MLflow shows one result alone; a text beside it would be lost."""
    assert chat_messages([{"role": "tool", "parts": [_TEXT, _RESULT]}]) == [
        {"role": "tool", "tool_call_id": "c1", "content": "on the Danube"},
        {"role": "tool", "content": [{"type": "text", "text": "What is this?"}]},
    ]
    assert chat_messages([{"role": "user", "parts": [_TEXT, _TEXT]}]) is None


def test_arguments_and_results_are_json_text() -> None:
    """Readable in any language; arguments that are text already, and calls without an id, are as they were recorded."""
    calls = [
        {"type": "tool_call", "name": "lookup", "arguments": {"city": "Köln"}},
        {"type": "tool_call", "id": "c3", "name": "lookup", "arguments": '{"city": '},
    ]
    result = {"type": "tool_call_response", "response": {"river": "Mühl"}}
    messages = [{"role": "assistant", "parts": calls}, {"role": "tool", "parts": [result, result]}]
    assert chat_messages(messages) == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "lookup", "type": "function", "function": {"name": "lookup", "arguments": '{"city": "Köln"}'}},
                {"id": "c3", "type": "function", "function": {"name": "lookup", "arguments": '{"city": '}},
            ],
        },
        {"role": "tool", "tool_call_id": "", "content": '{"river": "Mühl"}'},
        {"role": "tool", "tool_call_id": "", "content": '{"river": "Mühl"}'},
    ]


def test_parts_that_no_view_shows_are_described() -> None:
    """By type, address or file, size and digest: what is known of them; several reasonings are paragraphs of one."""
    parts = [
        {"type": "reasoning", "content": "First."},
        {"type": "reasoning", "content": "Then."},
        {"type": "blob", "modality": "video", "mime_type": "video/mp4", "content": "AAECAw=="},
        {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": ""},
        {"type": "uri", "modality": "video", "uri": "https://example.org/a.mp4"},
        {"type": "uri", "modality": "audio", "mime_type": "audio/wav", "uri": "https://example.org/a.wav"},
        {"type": "blob", "mime_type": "image/png", "content": 7},
        {"type": "sketch"},
        {"type": "blob", "modality": "image", "content": "AAEC"},
    ]
    described = (
        "[video/mp4, 4 bytes]", "[audio/wav]", "[video, https://example.org/a.mp4]",
        "[audio/wav, https://example.org/a.wav]", "[image/png]", "[sketch]",
    )  # fmt: skip
    assert chat_messages([{"role": "assistant", "parts": parts}]) == [
        {
            "role": "assistant",
            "content": [
                *({"type": "text", "text": text} for text in described),
                {"type": "image_url", "image_url": {"url": "data:;base64,AAEC"}},
            ],
            "reasoning": "First.\n\nThen.",
        }
    ]


def test_definitions_of_tools() -> None:
    """Functions alone, in OpenAI's shape, and nothing in a schema that MLflow does not take."""
    parameters = {
        "type": "object",
        "properties": {
            "city": {"type": ["string", "null"], "description": "Where", "default": None},
            "kind": {"enum": ["river", "sea"]},
            "any": True,
        },
        "required": ["city"],
        "additionalProperties": {"type": "string"},
        "$defs": {},
    }
    definitions = [
        {"type": "function", "name": "lookup", "description": "Look it up.", "parameters": parameters},
        {"type": "function", "name": "now", "description": None, "parameters": None},
        {"type": "function", "name": "go", "parameters": {"type": "object", "additionalProperties": False}},
        {"type": "web_search", "name": "web_search"},
    ]
    tools = chat_tools(definitions)
    assert tools == [
        {
            "type": "function",
            "function": {
                "name": "lookup",
                "description": "Look it up.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "city": {
                            "description": "Where",
                            "default": None,
                            "anyOf": [{"type": "string"}, {"type": "null"}],
                        },
                        "kind": {"enum": ["river", "sea"]},
                        "any": {},
                    },
                    "required": ["city"],
                },
            },
        },
        {"type": "function", "function": {"name": "now"}},
        {
            "type": "function",
            "function": {
                "name": "go",
                "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
            },
        },
    ]
    assert [ChatTool.model_validate(tool).function is not None for tool in tools] == [True] * 3
    assert chat_tools("[cut") == chat_tools(None) == []
