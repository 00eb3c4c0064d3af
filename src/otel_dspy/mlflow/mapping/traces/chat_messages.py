"""Conversion of GenAI messages to the format in which MLflow's chat view shows images, audio and reasoning.

MLflow 3.17 shows a message of the conventions only if it has parts and all of them are texts, tool calls or a tool's
result, of which it shows one only. Of OpenAI's messages, in four roles, it shows images, audio and `reasoning`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_dspy.mlflow.mapping import naming
from otel_dspy.mlflow.mapping.media_text import decoded_size
from otel_dspy.serialization.json_types import is_array, is_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Part = Mapping[str, Any]

_RESULT: Final = "tool_call_response"
_SHOWN: Final = frozenset({"text", "tool_call", _RESULT})
"""Types of parts that MLflow's chat view shows without conversion."""
_ROLES: Final[Mapping[str, str]] = {
    "system": "system", "developer": "system",
    "user": "user",
    "assistant": "assistant", "model": "assistant",
    "tool": "tool", "function": "tool",
}  # fmt: skip
"""Message roles to roles of MLflow's chat view; for any other role it shows all messages as raw JSON."""
_SOUNDS: Final[Mapping[str, str]] = {
    "audio/wav": "wav", "audio/x-wav": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3",
}  # fmt: skip
"""MIME types to the audio formats that MLflow plays."""


def chat_messages(messages: object) -> list[dict[str, object]] | None:
    """Convert messages to OpenAI's format; None if MLflow shows them without conversion.

    Args:
        messages: the parsed value of `gen_ai.input.messages` or `gen_ai.output.messages`.
    """
    given = _mappings(messages)
    if all(_is_shown(_mappings(message.get("parts"))) for message in given):
        return None
    return [
        written
        for message in given
        for written in _messages(str(message.get("role")).lower(), _mappings(message.get("parts")))
    ]


def _is_shown(parts: list[Part]) -> bool:
    kinds = [part.get("type") for part in parts]
    alone = len(kinds) == 1 or _RESULT not in kinds
    return bool(kinds) and alone and _SHOWN.issuperset(kinds)


def _messages(role: str, parts: list[Part]) -> Iterator[dict[str, object]]:
    """Return a message for each tool's result, and one for the rest."""
    results = [part for part in parts if part.get("type") == _RESULT]
    for result in results:
        content = naming.text(result.get("response"))
        yield {"role": "tool", "tool_call_id": str(result.get("id") or ""), "content": content}
    rest = [part for part in parts if part.get("type") != _RESULT]
    if rest or not results:
        yield _message(_ROLES.get(role, "user"), rest)


def _message(role: str, parts: list[Part]) -> dict[str, object]:
    message: dict[str, object] = {"role": role, "content": list(_contents(parts)) or None}
    calls = [_call(part) for part in parts if part.get("type") == "tool_call"]
    if calls:
        message["tool_calls"] = calls
    reasoning = [str(part.get("content")) for part in parts if part.get("type") == "reasoning"]
    if reasoning:
        message["reasoning"] = "\n\n".join(reasoning)
    return message


def _contents(parts: list[Part]) -> Iterator[dict[str, object]]:
    for part in parts:
        kind, mime_type = part.get("type"), str(part.get("mime_type") or "")
        if kind in {"tool_call", "reasoning"}:
            continue
        if kind == "text":
            yield {"type": "text", "text": str(part.get("content"))}
        elif kind == "blob" and part.get("content") and part.get("modality") == "image":
            yield {"type": "image_url", "image_url": {"url": f"data:{mime_type};base64,{part['content']}"}}
        elif kind == "blob" and part.get("content") and mime_type in _SOUNDS:
            yield {"type": "input_audio", "input_audio": {"data": part["content"], "format": _SOUNDS[mime_type]}}
        elif kind == "uri" and part.get("modality") == "image":
            yield {"type": "image_url", "image_url": {"url": str(part.get("uri"))}}
        else:
            yield {"type": "text", "text": f"[{_described(part)}]"}


def _described(part: Part) -> str:
    content = part.get("content")
    size = part.get("size", decoded_size(content) if isinstance(content, str) and content else None)
    words = (
        part.get("mime_type") or part.get("modality") or part.get("type"),
        part.get("uri") or part.get("file_id"),
        None if size is None else f"{size} bytes",
        f"sha256 {part['sha256']}" if "sha256" in part else None,
    )
    return ", ".join(str(word) for word in words if word)


def _call(part: Part) -> dict[str, object]:
    return {
        "id": str(part.get("id") or part.get("name")),
        "type": "function",
        "function": {"name": str(part.get("name")), "arguments": naming.text(part.get("arguments"))},
    }


def _mappings(value: object) -> list[Part]:
    return [item for item in value if is_mapping(item)] if is_array(value) else []
