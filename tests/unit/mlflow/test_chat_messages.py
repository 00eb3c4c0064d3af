"""Messages as MLflow's chat view shows them."""

from __future__ import annotations

from otel_dspy.mlflow.mapping.chat_messages import chat_messages

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
