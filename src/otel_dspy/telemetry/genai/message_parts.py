"""Conversion of chat messages to GenAI message parts: text, reasoning, tool calls and results, images, audio, files.

Supports the formats that DSPy sends and receives: OpenAI's chat and Responses APIs, and DSPy's typed messages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from opentelemetry.util.genai.types import (
    BlobPart,
    FilePart,
    FunctionToolDefinition,
    GenericToolDefinition,
    ReasoningPart,
    TextPart,
    ToolCallRequestPart,
    ToolCallResponsePart,
    UriPart,
)
from opentelemetry.util.genai.utils import decode_base64

from otel_dspy.serialization.json_text import parse_json
from otel_dspy.telemetry.secrets.discovery import without_secret_defaults
from otel_dspy.telemetry.secrets.names import is_secret_name
from otel_dspy.telemetry.secrets.patterns import REDACTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.util.genai.types import MessagePart, ToolDefinition
    from opentelemetry.util.types import AnyValue

    from otel_dspy.telemetry.content.content_filter import ContentFilter

_TEXTS: Final = frozenset({"text", "input_text", "output_text"})
_REASONING: Final = frozenset({"thinking", "reasoning"})
_MODALITIES: Final[Mapping[str, str]] = {
    "image_url": "image", "input_image": "image", "image": "image",
    "input_audio": "audio", "audio": "audio",
    "video_url": "video", "video": "video",
    "file": "document", "input_file": "document", "document": "document", "binary": "document",
}  # fmt: skip
"""Type of a content block -> modality of its part."""


class ChatMessage(NamedTuple):
    """A message as plain data (see `plain`), captured during the call.

    Attributes:
        role: `system`, `user`, `assistant` or `tool`.
        content: a text, a list of content blocks, or None.
        tool_calls: the calls that the model asked for, in OpenAI's shape.
        tool_call_id: of the call that a message of the role `tool` answers.
        reasoning: the model's reasoning.
    """

    role: str
    content: AnyValue = None
    tool_calls: AnyValue = None
    tool_call_id: str | None = None
    reasoning: AnyValue = None


@dataclass
class OmittedBlobPart(BlobPart):
    """Blob part that is recorded by size and digest; its content is empty."""

    size: int = 0
    """Bytes."""
    sha256: str = ""
    """Hex digits."""


class MessageParts:
    """Creates the parts of messages for one attribute.

    Args:
        content: filter for all texts.
        name: the attribute's name, for the user's redactor.
        max_media_bytes: larger images, sounds and files are recorded by size and digest.
    """

    def __init__(self, content: ContentFilter, name: str, max_media_bytes: int) -> None:
        self._content = content
        self._name = name
        self._max_media_bytes = max_media_bytes

    def of(self, message: ChatMessage) -> list[MessagePart]:
        """Return the message's parts, in the order reasoning, content, tool calls."""
        content = message.content
        if type(content) is str and message.role != "tool" and not message.reasoning and not message.tool_calls:
            return [TextPart(content=self._content.cleaned(self._name, content))]  # most messages
        parts: list[MessagePart] = []
        if message.reasoning:
            parts.append(ReasoningPart(content=self._text(message.reasoning)))
        if message.role == "tool" and content is not None:
            parts.append(ToolCallResponsePart(response=self._response(content), id=message.tool_call_id))
        else:
            parts.extend(self._contents(content))
        parts.extend(self._tool_calls(message.tool_calls))
        return parts

    def definitions(self, tools: AnyValue) -> list[ToolDefinition]:
        """Return the definitions of the tools in a request."""
        return [self._definition(tool) for tool in _mappings(tools)]

    def _contents(self, content: AnyValue) -> Iterator[MessagePart]:
        if content is None:
            return
        if isinstance(content, list):
            for block in content:
                yield self._block(block)
        else:
            yield TextPart(content=self._text(content))

    def _block(self, block: AnyValue) -> MessagePart:
        if isinstance(block, Mapping):
            found = cast("Mapping[str, AnyValue]", block)
            kind = str(found.get("type"))
            if kind in _TEXTS or kind == "refusal":
                return TextPart(content=self._text(found.get("text", found.get("refusal"))))
            if kind in _REASONING:
                return ReasoningPart(content=self._text(found.get("text") or found.get("thinking")))
            if kind == "tool_call":
                return self._call(found.get("name"), found.get("input"), found.get("id"))
            if kind == "tool_result":
                return ToolCallResponsePart(response=self._response(found.get("content")), id=_text(found.get("id")))
            if kind in _MODALITIES and (media := self._media(kind, found)) is not None:
                return media
        return TextPart(content=self._text(block))

    def _media(self, kind: str, block: Mapping[str, AnyValue]) -> MessagePart | None:
        inner = block.get(kind.removeprefix("input_"), block.get(kind))
        inner = block.get("source") if inner is None else inner
        source = cast("Mapping[str, AnyValue]", inner) if isinstance(inner, Mapping) else block
        if source.get("type") == "text":
            return TextPart(content=self._text(source.get("data")))
        modality, mime_type = _MODALITIES[kind], _text(source.get("media_type"))
        if (sound := _text(source.get("format"))) is not None and mime_type is None:
            mime_type = f"{modality}/{sound}"
        for key in ("url", "image_url", "video_url", "data", "file_data"):
            data = _text(source.get(key)) or (_text(block.get(key)))
            if data is None:
                continue
            if data.startswith("data:"):
                header, _, data = data[len("data:") :].partition(",")
                return self._blob(header.partition(";")[0] or mime_type, modality, data)
            if "url" in key:
                return UriPart(mime_type=mime_type, modality=modality, uri=self._text(data))
            return self._blob(mime_type, modality, data)
        if (file_id := _text(source.get("file_id"))) is not None:
            return FilePart(mime_type=mime_type, modality=modality, file_id=self._text(file_id))
        return None

    def _blob(self, mime_type: str | None, modality: str, encoded: str) -> MessagePart:
        data = decode_base64(encoded)
        if data is None:
            return TextPart(content=self._text(encoded))
        if len(data) <= self._max_media_bytes and self._content.fits(encoded):
            return BlobPart(mime_type=mime_type, modality=modality, content=data)
        return OmittedBlobPart(
            mime_type=mime_type,
            modality=modality,
            content=b"",
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )

    def _tool_calls(self, calls: AnyValue) -> Iterator[MessagePart]:
        for call in _mappings(calls):
            function = call.get("function")
            named = cast("Mapping[str, AnyValue]", function) if isinstance(function, Mapping) else call
            arguments = named.get("arguments", named.get("args"))
            yield self._call(named.get("name"), arguments, call.get("id", call.get("call_id")))

    def _call(self, name: AnyValue, arguments: AnyValue, identity: AnyValue) -> MessagePart:
        parsed = _parsed(arguments)
        return ToolCallRequestPart(
            arguments=_parsed(self._text(_without_secrets(parsed))), name=str(name), id=_text(identity)
        )

    def _response(self, content: AnyValue) -> object:
        blocks = _mappings(content)
        if blocks and all(block.get("type") in _TEXTS for block in blocks):
            return self._text("".join(str(block.get("text", "")) for block in blocks))
        return self._text(content)

    def _definition(self, tool: Mapping[str, AnyValue]) -> ToolDefinition:
        function = tool.get("function")
        found = cast("Mapping[str, AnyValue]", function) if isinstance(function, Mapping) else tool
        kind = str(tool.get("type") or "function")
        if kind != "function":
            return GenericToolDefinition(name=str(tool.get("name") or kind), type=kind)
        parameters = found.get("parameters")
        if isinstance(parameters, dict):
            parameters = without_secret_defaults(cast("Any", parameters))
        description = found.get("description")
        return FunctionToolDefinition(
            name=str(found.get("name")),
            description=None if description is None else self._text(description),
            parameters=self._content.data(self._name, parameters),
        )

    def _text(self, value: AnyValue) -> str:
        return self._content.cleaned(self._name, value)


def _mappings(value: AnyValue) -> list[Mapping[str, AnyValue]]:
    items: Iterable[AnyValue] = value if isinstance(value, list) else ()
    return [cast("Mapping[str, AnyValue]", item) for item in items if isinstance(item, Mapping)]


def _text(value: AnyValue) -> str | None:
    return value if isinstance(value, str) and value else None


def _parsed(value: AnyValue) -> AnyValue:
    """Parse JSON text; return any other value unchanged, including invalid JSON, which a model may generate."""
    return cast("AnyValue", parse_json(value, value)) if isinstance(value, str) else value


def _without_secrets(value: AnyValue) -> AnyValue:
    if isinstance(value, Mapping):
        found = cast("Mapping[str, AnyValue]", value)
        return {name: REDACTED if is_secret_name(name) else _without_secrets(item) for name, item in found.items()}
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    return value
