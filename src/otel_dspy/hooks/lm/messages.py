"""Requests and responses of LM calls: copied during the call, set on the `InferenceInvocation` after it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, cast

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.util.genai.types import InputMessage, OutputMessage

from otel_dspy import semconv
from otel_dspy.hooks.lm.model_parameters import as_schemas, request_settings
from otel_dspy.hooks.lm.usage import measure_usage
from otel_dspy.serialization.plain_data import bounded
from otel_dspy.telemetry.genai.message_parts import ChatMessage, MessageParts
from otel_dspy.telemetry.parameter_attributes import LARGEST_INT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opentelemetry.util.genai.invocation import InferenceInvocation
    from opentelemetry.util.types import AnyValue

    from otel_dspy.hooks.lm.result import LMCallRecord
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.prompt_names import Prompt
    from otel_dspy.telemetry.tallies.usage_tally import CallUsage

_NUMBERS: Final = ("temperature", "top_p", "top_k", "max_tokens", "seed", "presence_penalty", "frequency_penalty")
"""Keywords of a request with an attribute of the same name on `InferenceInvocation`."""
_TOOL_CALL: Final = {"tool_calls": "tool_call", "function_call": "tool_call"}
"""OpenAI's finish reasons, which LiteLLM uses for all providers, mapped to the one of the semantic conventions."""

_NO_SETTINGS: Final[Mapping[str, object]] = MappingProxyType({})
_ROLE_AND_CONTENT: Final = {"role", "content"}
_ANSWER_FIELDS: Final = ("logprobs", "citations")
"""Fields of an output that are no parts of a message."""


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
    messages: Sequence[ChatMessage]
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
        recorded = {name: keywords[name] for name in (*_NUMBERS, "n") if name in keywords}
        stop = keywords.get("stop")
        recorded["stop"] = () if stop is None else _stop_sequences(stop)
        recorded["reasoning_level"] = _reasoning_level(keywords)
        if not content:
            return cls(recorded, (), None, content)
        offered: Any = keywords.get("tools") or _get(prompt, "tools")
        tools = bounded(cast("object", offered)) if isinstance(offered, list | tuple) and offered else None
        messages = _messages(prompt, keywords.get("messages"))
        return cls(recorded, messages, tools, content, request_settings(keywords))

    def put(self, telemetry: Telemetry, invocation: InferenceInvocation) -> None:
        """Set the request on the invocation, redacted."""
        for name in _NUMBERS:
            value = self.keywords.get(name)
            if value is not None and isinstance(value, int | float) and not isinstance(value, bool):
                fits = isinstance(value, float) or abs(value) <= LARGEST_INT
                setattr(invocation, name, value if fits else str(value))
        count = self.keywords.get("n")
        if isinstance(count, int) and 1 < count <= LARGEST_INT:
            invocation.request_choice_count = count
        stops: Sequence[str] = self.keywords["stop"]
        if stops:
            invocation.stop_sequences = [telemetry.secrets.scrub(stop) for stop in stops]
        level: str | None = self.keywords["reasoning_level"]
        if level is not None:
            invocation.reasoning_level = telemetry.secrets.scrub(level)
        if self.content:
            parts = _parts(telemetry, gen_ai.GEN_AI_INPUT_MESSAGES)
            invocation.input_messages = [InputMessage(role=one.role, parts=parts.of(one)) for one in self.messages]
        if self.settings and telemetry.genai.content_on_spans:
            telemetry.content.put(invocation.attributes, semconv.DSPY_LM_REQUEST_SETTINGS, as_schemas(self.settings))
        if self.tools is not None:
            invocation.tool_definitions = _parts(telemetry, gen_ai.GEN_AI_TOOL_DEFINITIONS).definitions(self.tools)


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


def answers_of(outputs: Any) -> list[ChatMessage]:
    """Return the outputs of a call as plain data, one message per choice."""
    # An explicit lm15.Request returns one typed response instead of DSPy's list.
    given: Any = outputs
    choices: list[Any] = given if isinstance(outputs, list) else [outputs]
    return [_answer(output) for output in choices]


def fields_of(outputs: Any) -> list[AnyValue]:
    """Return the fields of each output that `dspy.lm.response.fields` has, as plain data; empty if none has any."""
    given: Any = outputs
    choices: list[Any] = given if isinstance(outputs, list) else []
    for output in choices:
        if isinstance(output, dict):
            break
    else:
        return []  # most answers are texts; `any` would create a generator in each call
    found = [
        {name: bounded(value) for name in _ANSWER_FIELDS if (value := _get(output, name)) is not None}
        for output in given
    ]
    return [*found] if any(found) else []


def _tokens_as_text(value: AnyValue) -> AnyValue:
    """Rename the field `token` of logprobs to `text`: a field of that name holds a secret, for the redaction."""
    if isinstance(value, Mapping):
        found = cast("Mapping[str, AnyValue]", value)
        return {"text" if name == "token" else name: _tokens_as_text(item) for name, item in found.items()}
    return [_tokens_as_text(item) for item in value] if isinstance(value, list) else value


def _answer(output: Any) -> ChatMessage:
    if isinstance(output, str):
        return ChatMessage("assistant", bounded(output))
    typed = getattr(output, "message", None)
    if typed is not None:
        return _message(typed)
    calls, reasoning = _get(output, "tool_calls"), _get(output, "reasoning_content")
    return ChatMessage(
        "assistant",
        bounded(_get(output, "text", output)),
        tool_calls=None if calls is None else bounded(calls),
        reasoning=None if reasoning is None else bounded(reasoning),
    )


def put_response(
    telemetry: Telemetry, invocation: InferenceInvocation, record: LMCallRecord, answers: list[ChatMessage] | None
) -> None:
    """Set the response on the invocation.

    Args:
        telemetry: provides redaction and the content settings.
        invocation: the library's invocation.
        record: usage, model, id and finish reasons of the response.
        answers: the response messages; None if they are not recorded.
    """
    invocation.response_model_name = record.response_model
    invocation.response_id = record.response_id
    if record.requests > 1:
        invocation.attributes[semconv.DSPY_LM_REQUESTS] = record.requests
    reasons = list(record.finish_reasons)
    invocation.finish_reasons = reasons or None
    if record.usage is not None and not record.cache_hit:
        invocation.input_tokens = record.usage.input_tokens
        invocation.output_tokens = record.usage.output_tokens
        invocation.cache_read_input_tokens = record.cached_tokens
        invocation.thinking_tokens = record.reasoning_tokens
        for name, count in record.more_tokens.items():
            setattr(invocation, name, count)
    if answers is not None:
        parts = _parts(telemetry, gen_ai.GEN_AI_OUTPUT_MESSAGES)
        invocation.output_messages = [
            OutputMessage(
                role=answer.role,
                parts=parts.of(answer),
                finish_reason=_TOOL_CALL.get(reasons[index], reasons[index]) if index < len(reasons) else None,
            )
            for index, answer in enumerate(answers)
        ]


def _parts(telemetry: Telemetry, name: str) -> MessageParts:
    return MessageParts(telemetry.content, name, telemetry.settings.max_media_bytes)


class CallContent:
    """Request, response and usage of an ended LM call, to be set on its invocation and added to the metrics.

    Args:
        telemetry: provides redaction and the content settings.
        request: None if the span is not recording.
        record: usage, model, id and finish reasons of the response.
        prompt: of the predictor that made the call; None outside of predictors.
        usage: tokens and cost (USD) of the call.
        labels: attributes of the usage's metrics.

    Attributes:
        answers: the response messages as plain data; None if they are not recorded.
        fields: see `fields_of`; None if there are none.
    """

    __slots__ = ("_labels", "_prompt", "_record", "_request", "_telemetry", "_usage", "answers", "fields")

    def __init__(  # noqa: PLR0913, PLR0917 - what is known of a call
        self,
        telemetry: Telemetry,
        request: CallRequest | None,
        record: LMCallRecord,
        prompt: Prompt | None,
        usage: CallUsage,
        labels: Mapping[str, str],
    ) -> None:
        self._prompt = prompt
        self._telemetry = telemetry
        self._request = request
        self._record = record
        self._usage = usage
        self._labels = labels
        self.answers: list[ChatMessage] | None = None
        self.fields: list[AnyValue] | None = None

    def __call__(self, invocation: InferenceInvocation) -> None:
        """Add the usage to the metrics; set request, response, and the prompt's name and version on the invocation."""
        measure_usage(self._telemetry, self._usage, self._labels)
        if self._request is not None:
            self._request.put(self._telemetry, invocation)
        put_response(self._telemetry, invocation, self._record, self.answers)
        if self.fields and self._telemetry.genai.content_on_spans:
            fields = _tokens_as_text(self.fields)
            self._telemetry.content.put_plain(invocation.attributes, semconv.DSPY_LM_RESPONSE_FIELDS, fields)
        if self._prompt is not None:
            invocation.prompt_name = self._prompt.name
            invocation.prompt_version = self._prompt.version


def _messages(prompt: Any, messages: Any) -> list[ChatMessage]:
    given: Any = messages
    if isinstance(messages, list | tuple) and messages:
        return [_message(message) for message in given]
    typed = getattr(prompt, "messages", None)
    if isinstance(typed, list | tuple):  # an explicit lm15.Request
        system = getattr(prompt, "system", None)
        first = [] if system is None else [ChatMessage("system", bounded(system))]
        return [*first, *(_message(message) for message in cast("Iterable[Any]", typed))]
    return [] if prompt is None else [ChatMessage("user", bounded(prompt))]


def _message(message: Any) -> ChatMessage:
    found: Any = message
    if type(message) is dict and found.keys() == _ROLE_AND_CONTENT:  # the most frequent case
        return ChatMessage(str(found["role"] or "user"), bounded(found["content"]))
    content, calls = _get(message, "content"), _get(message, "tool_calls")
    if content is None:
        content = _get(message, "parts")
    answered, reasoning = _get(message, "tool_call_id"), _get(message, "reasoning_content")
    return ChatMessage(
        str(_get(message, "role") or "user"),
        bounded(content),
        None if calls is None else bounded(calls),
        None if answered is None else str(answered),
        None if reasoning is None else bounded(reasoning),
    )


def _get(source: Any, name: str, default: Any = None) -> Any:
    # `dict` first: an isinstance check against an abstract class takes ten times as long.
    given: Any = source
    if isinstance(source, dict) or isinstance(source, Mapping):  # noqa: SIM101 - see above
        return given.get(name, default)
    return getattr(source, name, default)
