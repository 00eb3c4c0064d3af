"""Conversion of GenAI messages to OpenInference attributes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.util.types import AttributeValue

    Part = Mapping[str, Any]

_MEDIA: Final = ("image", "audio", "video", "document")
"""Modalities for which OpenInference defines attributes."""


def message_fields(message: Mapping[str, Any]) -> tuple[dict[str, AttributeValue], str]:
    """Return the attributes of a message, by their names below `message.`, and its text.

    A text-only message sets `content`; one with reasoning or media sets `contents`, with an item for each part.
    The text of a message that only calls tools is the JSON of the calls.
    """
    parts = list(_parts(message.get("parts")))
    fields: dict[str, AttributeValue] = {"role": str(message.get("role", ""))}
    text = "\n".join(filter(None, map(_text, parts)))
    calls = [part for part in parts if part.get("type") == "tool_call"]
    contents = [part for part in parts if part.get("type") not in {"tool_call", "tool_call_response"}]
    if any(part.get("type") != "text" for part in contents):
        for index, part in enumerate(contents):
            fields.update({f"contents.{index}.message_content.{name}": value for name, value in _content(part)})
    elif text or not calls:
        fields["content"] = text
    for index, call in enumerate(calls):
        prefix = f"tool_calls.{index}.tool_call."
        if call.get("id") is not None:
            fields[f"{prefix}id"] = str(call["id"])
        fields[f"{prefix}function.name"] = str(call.get("name"))
        fields[f"{prefix}function.arguments"] = _json(call.get("arguments"))
    for part in parts:
        if part.get("type") == "tool_call_response" and part.get("id") is not None:
            fields["tool_call_id"] = str(part["id"])
    return fields, text or (_json([_named(call) for call in calls]) if calls else "")


def tool_schema(definition: Mapping[str, Any]) -> str:
    """Convert a tool definition of the GenAI conventions to JSON in OpenAI's format."""
    kind = str(definition.get("type") or "function")
    function = {name: value for name, value in definition.items() if name != "type" and value is not None}
    return _json({"type": kind, "function": function} if kind == "function" else {"type": kind, **function})


def _parts(parts: object) -> Iterator[Part]:
    for part in cast("Iterable[Any]", parts if isinstance(parts, list) else ()):
        if isinstance(part, Mapping):
            yield cast("Part", part)


def _text(part: Part) -> str:
    kind = part.get("type")
    if kind == "tool_call_response":
        response = part.get("response")
        return response if isinstance(response, str) else _json(response)
    return str(part.get("content") or "") if kind == "text" else ""


def _content(part: Part) -> Iterator[tuple[str, AttributeValue]]:
    kind, modality = str(part.get("type")), str(part.get("modality"))
    where = ("url", _address(part)) if kind != "file" else ("id", part.get("file_id"))
    if modality in _MEDIA and where[1] is not None:
        yield "type", modality
        yield f"{modality}.{modality}.{where[0]}", str(where[1])
        if modality in {"audio", "document"} and part.get("mime_type"):
            yield f"{modality}.{modality}.mime_type", str(part["mime_type"])
        if modality != "image":
            yield "text", f"[{part.get('mime_type') or modality}]"  # Phoenix renders only texts and images
    else:
        yield "type", kind if kind in {"text", "reasoning"} else "text"
        yield "text", _described(part)


def _address(part: Part) -> str | None:
    if part.get("type") == "uri":
        return str(part.get("uri"))
    if part.get("type") == "blob" and part.get("content"):
        return f"data:{part.get('mime_type') or 'application/octet-stream'};base64,{part['content']}"
    return None


def _described(part: Part) -> str:
    if part.get("type") == "blob":
        return f"[{part.get('mime_type')}, {part.get('size')} bytes, sha256 {part.get('sha256')}]"
    return str(part.get("content"))


def _named(call: Part) -> dict[str, Any]:
    return {"name": call.get("name"), "arguments": call.get("arguments")}


def _json(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
