"""Messages of the GenAI conventions in the shape in which MLflow's chat view shows images, sounds and reasoning.

MLflow 3.17 shows a message of the conventions only where all of its parts are texts, tool calls or their results. It
shows a list of OpenAI's messages with images, sounds and a field `reasoning`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    Part = Mapping[str, Any]

_SHOWN: Final = frozenset({"text", "tool_call", "tool_call_response"})
"""Types of parts that MLflow's chat view shows by itself."""
_SOUNDS: Final[Mapping[str, str]] = {
    "audio/wav": "wav", "audio/x-wav": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3",
}  # fmt: skip
"""MIME types to the formats that MLflow plays."""


def chat_messages(messages: object) -> list[dict[str, object]] | None:
    """The messages in OpenAI's shape; None where MLflow shows them as they are.

    Args:
        messages: the parsed value of `gen_ai.input.messages` or `gen_ai.output.messages`.
    """
    given = _mappings(messages)
    if all(part.get("type") in _SHOWN for message in given for part in _mappings(message.get("parts"))):
        return None
    return [_message(str(message.get("role")), _mappings(message.get("parts"))) for message in given]


def _message(role: str, parts: list[Part]) -> dict[str, object]:
    result = next((part for part in parts if part.get("type") == "tool_call_response"), None)
    if result is not None:
        response = result.get("response")
        content = response if isinstance(response, str) else json.dumps(response, ensure_ascii=False)
        return {"role": "tool", "tool_call_id": str(result.get("id") or ""), "content": content}
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
    words = (
        part.get("mime_type") or part.get("modality") or part.get("type"),
        part.get("uri") or part.get("file_id"),
        f"{part['size']} bytes" if "size" in part else None,
        f"sha256 {part['sha256']}" if "sha256" in part else None,
    )
    return ", ".join(str(word) for word in words if word)


def _call(part: Part) -> dict[str, object]:
    arguments = part.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {
        "id": str(part.get("id") or part.get("name")),
        "type": "function",
        "function": {"name": str(part.get("name")), "arguments": text},
    }


def _mappings(value: object) -> list[Part]:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("Part", item) for item in items if isinstance(item, Mapping)]
