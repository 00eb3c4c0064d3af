"""Recorded language model calls: the request in a form that compares, and the answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE

from otel_dspy import semconv
from otel_dspy.mlflow.mapping.traces.chat_messages import chat_messages
from otel_dspy.serialization.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTINGS: Final[Mapping[str, str]] = {
    gen_ai.GEN_AI_REQUEST_TEMPERATURE: "temperature",
    gen_ai.GEN_AI_REQUEST_TOP_P: "top_p",
    gen_ai.GEN_AI_REQUEST_TOP_K: "top_k",
    gen_ai.GEN_AI_REQUEST_MAX_TOKENS: "max_tokens",
    gen_ai.GEN_AI_REQUEST_SEED: "seed",
    gen_ai.GEN_AI_REQUEST_PRESENCE_PENALTY: "presence_penalty",
    gen_ai.GEN_AI_REQUEST_FREQUENCY_PENALTY: "frequency_penalty",
    gen_ai.GEN_AI_REQUEST_CHOICE_COUNT: "n",
    gen_ai.GEN_AI_REQUEST_STOP_SEQUENCES: "stop",
    gen_ai.GEN_AI_TOOL_DEFINITIONS: "tools",
}
"""Attribute to the setting that it records."""
_INPUTS: Final = (gen_ai.GEN_AI_INPUT_MESSAGES, "mlflow.spanInputs")
_OUTPUTS: Final = (gen_ai.GEN_AI_OUTPUT_MESSAGES, "mlflow.spanOutputs")
"""In MLflow, messages that its chat view would not show are in another form, under the second name."""
OPERATION: Final = gen_ai.GEN_AI_OPERATION_NAME
_OPERATIONS: Final = ("chat", "text_completion")


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a language model, reduced to what is compared.

    Attributes:
        model: `provider/model`, or the model's name alone.
        messages: role and digest of each message.
        settings: canonical values by name; the defaults that were not set are absent.
    """

    model: str
    messages: tuple[tuple[str, str], ...]
    settings: Mapping[str, object]

    @property
    def key(self) -> tuple[tuple[tuple[str, str], ...], str]:
        """Hashable form of all but the model."""
        return self.messages, json.dumps(self.settings, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer of a response."""

    text: str | None
    reasoning: str | None = None
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    """In OpenAI's format."""
    finish_reason: str | None = None
    fields: Mapping[str, Any] | None = None
    """`logprobs` and `citations`, if there are any."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a recorded call returned or raised.

    Attributes:
        choices: the answers; empty if the call raised.
        model: the model that the response names.
        response_id: id of the response.
        usage: token counts by OpenAI's names.
        error: type of the exception that the call raised, with its message; None if it returned.
        cost: USD; None if it is not known. An answer from the record costs nothing.
    """

    choices: tuple[Choice, ...] = ()
    model: str | None = None
    response_id: str | None = None
    usage: Mapping[str, int] | None = None
    error: str | None = None
    cost: float | None = 0.0


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A recorded call.

    Attributes:
        start_ns: start, nanoseconds since the epoch.
        request: the request.
        answer: the answer.
        place: where it is recorded, for messages: a trace or a file.
        role: purpose of the call, as in `dspy.lm.role`; None if it is not recorded.
    """

    start_ns: int
    request: Request
    answer: Answer
    place: str
    role: str | None = None


def is_call(operation: object) -> bool:
    """Return whether a span with this value of the attribute `OPERATION` is a language model call."""
    return operation in _OPERATIONS


def recorded_call(attributes: Mapping[str, Any], start_ns: int, error: str | None, place: str) -> RecordedCall | None:
    """Read a call; None if its messages, or the answer of a call that returned, were not recorded.

    Args:
        attributes: of its span.
        start_ns: start of the span.
        error: description of the span's error status; empty without a description, None for a call that returned.
        place: see `RecordedCall`.
    """
    request = request_of(attributes)
    if request is None:
        return None
    role = attributes.get(semconv.DSPY_LM_ROLE)
    if error is not None:
        kind = str(attributes.get(ERROR_TYPE) or "an error")
        return RecordedCall(start_ns, request, Answer(error=f"{kind}: {error}" if error else kind), place, role)
    outputs = _first(attributes, _OUTPUTS)
    return None if outputs is None else RecordedCall(start_ns, request, _answer(attributes, outputs), place, role)


def request_of(attributes: Mapping[str, Any]) -> Request | None:
    """Read the request from the attributes of a call's span; None if its messages were not recorded."""
    inputs = _first(attributes, _INPUTS)
    if inputs is None:
        return None
    provider, model = attributes.get(gen_ai.GEN_AI_PROVIDER_NAME), attributes.get(gen_ai.GEN_AI_REQUEST_MODEL)
    settings = {
        setting: _canonical(_parsed(attributes[name])) for name, setting in SETTINGS.items() if name in attributes
    }
    more = _parsed(attributes.get(semconv.DSPY_LM_REQUEST_SETTINGS))
    if isinstance(more, Mapping):
        found = cast("Mapping[str, Any]", more)
        settings |= {name: _canonical(value) for name, value in found.items()}
    messages = tuple((str(message.get("role")), _digest(message)) for message in _shown(inputs))
    return Request(f"{provider}/{model}", messages, settings)


def _answer(attributes: Mapping[str, Any], outputs: list[Mapping[str, Any]]) -> Answer:
    reasons = list(cast("Sequence[str]", _parsed(attributes.get(gen_ai.GEN_AI_RESPONSE_FINISH_REASONS)) or ()))
    fields = _mappings(_parsed(attributes.get(semconv.DSPY_LM_RESPONSE_FIELDS)))
    choices = tuple(
        _choice(
            message,
            reasons[index] if index < len(reasons) else None,
            fields[index] if index < len(fields) else None,
        )
        for index, message in enumerate(outputs)
    )
    given, got = (
        attributes.get(name) for name in (gen_ai.GEN_AI_USAGE_INPUT_TOKENS, gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS)
    )
    usage = None
    if given is not None or got is not None:
        prompt, completion = int(given or 0), int(got or 0)
        usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    model, response_id = attributes.get(gen_ai.GEN_AI_RESPONSE_MODEL), attributes.get(gen_ai.GEN_AI_RESPONSE_ID)
    return Answer(
        choices,
        None if model is None else str(model),
        None if response_id is None else str(response_id),
        usage,
    )


def _choice(message: Mapping[str, Any], reason: str | None, fields: Mapping[str, Any] | None) -> Choice:
    if "parts" not in message:  # converted for MLflow's chat view
        content: Any = message.get("content")
        texts = [content] if isinstance(content, str) else [str(part.get("text")) for part in _mappings(content)]
        reasoning = message.get("reasoning")
        calls = tuple(_mappings(message.get("tool_calls")))
        return Choice("".join(texts) if texts else None, reasoning, calls, reason, fields)
    parts = _mappings(message.get("parts"))
    texts = [str(part.get("content")) for part in parts if part.get("type") == "text"]
    thoughts = [str(part.get("content")) for part in parts if part.get("type") == "reasoning"]
    calls = tuple(_tool_call(part) for part in parts if part.get("type") == "tool_call")
    return Choice("".join(texts) if texts else None, "".join(thoughts) or None, calls, reason, fields)


def _tool_call(part: Mapping[str, Any]) -> dict[str, Any]:
    arguments = part.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"id": part.get("id"), "type": "function", "function": {"name": part.get("name"), "arguments": text}}


def _first(attributes: Mapping[str, Any], names: Sequence[str]) -> list[Mapping[str, Any]] | None:
    for name in names:
        found = _parsed(attributes.get(name))
        if isinstance(found, list):
            return _mappings(cast("object", found))
    return None


def _shown(messages: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the messages in the one form that all sources have: converted where MLflow's chat view needs it."""
    if all("parts" in message for message in messages):
        return [*(chat_messages(messages) or messages)]
    return messages


def _digest(message: Mapping[str, Any]) -> str:
    present = {name: value for name, value in message.items() if value is not None}
    return hashlib.sha256(json.dumps(present, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


def _canonical(value: object) -> object:
    """Return a value that compares after a round trip through a store: numbers are floats, tuples are lists."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, object]", value)
        return {name: _canonical(item) for name, item in fields.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in cast("Sequence[object]", value)]
    return value


def _parsed(value: object) -> object:
    return parse_json(value, value) if isinstance(value, str) else value


def _mappings(value: object) -> list[Mapping[str, Any]]:
    items = cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()
    return [cast("Mapping[str, Any]", item) for item in items if isinstance(item, Mapping)]
