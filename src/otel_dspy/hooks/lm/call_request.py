"""Requests of LM calls: copied when the call is made, set on the `InferenceInvocation` after it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, Self, cast

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.util.genai.types import InputMessage

from otel_dspy import semconv
from otel_dspy.hooks.lm.messages import chat_message, field_of, messages_of
from otel_dspy.hooks.lm.model_parameters import as_schemas, request_settings
from otel_dspy.runtime.named_tuples import create
from otel_dspy.serialization.plain_data import bounded
from otel_dspy.telemetry.parameter_attributes import LARGEST_INT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.util.genai.invocation import InferenceInvocation
    from opentelemetry.util.types import AnyValue

    from otel_dspy.hooks.lm.messages import CapturedMessage
    from otel_dspy.telemetry.content.content_filter import ContentFilter
    from otel_dspy.telemetry.genai.message_parts import MessageParts
    from otel_dspy.telemetry.secrets.scrubber import SecretKeeper

_NUMBERS: Final = ("temperature", "top_p", "top_k", "max_tokens", "seed", "presence_penalty", "frequency_penalty")
"""Keywords of a request with an attribute of the same name on `InferenceInvocation`."""
_RECORDED: Final = frozenset({*_NUMBERS, "n"})
_REASONING: Final = frozenset({"reasoning", "reasoning_effort"})
"""Keywords with the effort of the reasoning."""
_NO_SETTINGS: Final[Mapping[str, object]] = MappingProxyType({})


class _Handler(Protocol):
    @property
    def content_on_spans(self) -> bool: ...


class RequestRecorder(Protocol):
    """The parts of `Telemetry` that record a request. The answers of `replay_lm` are looked up with them alone."""

    @property
    def secrets(self) -> SecretKeeper:
        """Removes secrets."""
        ...

    @property
    def content(self) -> ContentFilter:
        """Redacts content."""
        ...

    @property
    def input_parts(self) -> MessageParts:
        """Serializes the messages."""
        ...

    @property
    def genai(self) -> _Handler:
        """Has the content mode."""
        ...

    def parts_of(self, name: str) -> MessageParts:
        """Return the serialization of the messages in the attribute `name`."""
        ...


class CallRequest(NamedTuple):
    """Copy of a request, taken when it is made, because the user may modify the list of messages later.

    Attributes:
        keywords: the recorded keywords; none that may hold a key or a header.
        messages: the messages that were sent, or the prompt alone.
        tools: the definitions of the offered tools, as plain data.
        content: whether messages are recorded.
        settings: see `request_settings`; empty without content.
    """

    keywords: Mapping[str, Any]
    messages: Sequence[CapturedMessage]
    tools: AnyValue
    content: bool
    settings: Mapping[str, object] = _NO_SETTINGS

    @classmethod
    def of(cls, keywords: Mapping[str, Any], prompt: Any, *, content: bool) -> Self:
        """Copy a request.

        Args:
            keywords: of the call and the model.
            prompt: the call's prompt, or a typed request; None if the keywords hold messages.
            content: whether to record messages.
        """
        recorded = {name: value for name in keywords.keys() & _RECORDED if (value := keywords[name]) is not None}
        stop = keywords.get("stop")
        recorded["stop"] = () if stop is None else _stop_sequences(stop)
        recorded["reasoning_level"] = None if _REASONING.isdisjoint(keywords) else _reasoning_level(keywords)
        if not content:
            return create(cls, (recorded, (), None, content, _NO_SETTINGS))
        offered: Any = keywords.get("tools") or (None if prompt is None else field_of(prompt, "tools"))
        tools = bounded(cast("object", offered)) if isinstance(offered, list | tuple) and offered else None
        messages = messages_of(prompt, keywords.get("messages"))
        return create(cls, (recorded, messages, tools, content, request_settings(keywords)))

    def put(self, telemetry: RequestRecorder, invocation: InferenceInvocation) -> None:
        """Set the request on the invocation, redacted."""
        for name in self.keywords.keys() & _RECORDED:
            value = self.keywords[name]
            if name == "n":
                if isinstance(value, int) and 1 < value <= LARGEST_INT:
                    invocation.request_choice_count = value
            elif isinstance(value, int | float) and not isinstance(value, bool):
                fits = isinstance(value, float) or abs(value) <= LARGEST_INT
                setattr(invocation, name, value if fits else str(value))
        stops: Sequence[str] = self.keywords["stop"]
        if stops:
            invocation.stop_sequences = [telemetry.secrets.scrub(stop) for stop in stops]
        level: str | None = self.keywords["reasoning_level"]
        if level is not None:
            invocation.reasoning_level = telemetry.secrets.scrub(level)
        if self.content:
            parts = telemetry.input_parts
            messages = map(chat_message, self.messages)
            invocation.input_messages = [InputMessage(role=one.role, parts=parts.of(one)) for one in messages]
        if self.settings and telemetry.genai.content_on_spans:
            telemetry.content.put(invocation.attributes, semconv.DSPY_LM_REQUEST_SETTINGS, as_schemas(self.settings))
        if self.tools is not None:
            invocation.tool_definitions = telemetry.parts_of(gen_ai.GEN_AI_TOOL_DEFINITIONS).definitions(self.tools)


def _reasoning_level(keywords: Mapping[str, Any]) -> str | None:
    """Return the effort that a request asks for, as text or in `reasoning`: LiteLLM takes either."""
    reasoning: Any = keywords.get("reasoning")
    nested = cast("dict[str, object]", reasoning).get("effort") if isinstance(reasoning, dict) else None
    level = keywords.get("reasoning_effort") or nested
    return level if isinstance(level, str) else None


def _stop_sequences(given: Any) -> list[str]:
    """Return the first 16 stop sequences of a request, given as one text or a list."""
    texts = cast("list[Any]", given[:16]) if isinstance(given, list) else [given]
    return [text for text in texts if isinstance(text, str)]
