"""Requests of calls that are made now, in the form of recorded ones: the recorder's own code serializes them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.util.genai.utils import gen_ai_json_dumps

from otel_dspy.hooks.lm.call_request import CallRequest
from otel_dspy.hooks.lm.model_parameters import REQUEST_SETTINGS
from otel_dspy.hooks.lm.provider_name import provider_and_model
from otel_dspy.rerun.errors import UnknownCallError
from otel_dspy.rerun.recorded_call import SETTINGS, request_of
from otel_dspy.settings import Settings
from otel_dspy.telemetry.content.content_filter import ContentFilter
from otel_dspy.telemetry.genai.message_parts import MessageParts
from otel_dspy.telemetry.secrets.scrubber import SecretKeeper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.rerun.recorded_call import Request

_FIELDS: Final[Mapping[str, str]] = {
    "request_choice_count": "n", "stop_sequences": "stop", "tool_definitions": "tools",
}  # fmt: skip
"""Fields of an invocation whose names differ from those of the settings."""
COMPARED: Final = frozenset({*SETTINGS.values(), *REQUEST_SETTINGS})
"""Settings of a request that are compared."""


@dataclass(frozen=True)
class _OnSpans:
    """The part of `GenAIHandler` that `CallRequest` reads."""

    content_on_spans: bool = True


class _Recorder:
    """The parts of `Telemetry` that `CallRequest` reads, without a provider: all content, secrets removed."""

    def __init__(self) -> None:
        self._max_media_bytes = Settings().max_media_bytes
        self.secrets = SecretKeeper()
        self.content = ContentFilter(Settings(), self.secrets)
        self.input_parts = self.parts_of(gen_ai.GEN_AI_INPUT_MESSAGES)
        self.genai = _OnSpans()

    def parts_of(self, name: str) -> MessageParts:
        """Return the serialization of the messages in the attribute `name`."""
        return MessageParts(self.content, name, self._max_media_bytes)


class RequestReader:
    """Converts calls to `Request`, with secrets removed as in the record."""

    def __init__(self) -> None:
        self._recorder = _Recorder()

    def read(self, lm: Any, keywords: Mapping[str, Any], prompt: object) -> Request:
        """Convert a call.

        Args:
            lm: the language model that was called.
            keywords: of the model and the call, with the messages.
            prompt: the call's prompt; None if the keywords have messages.

        Raises:
            UnknownCallError: It has no messages.
        """
        invocation = SimpleNamespace(attributes={}, input_messages=[])
        CallRequest.of(keywords, prompt, content=True).put(self._recorder, cast("Any", invocation))
        values = {_FIELDS.get(name, name): value for name, value in vars(invocation).items()}
        provider, model = provider_and_model(lm)
        attributes: dict[str, Any] = {
            gen_ai.GEN_AI_PROVIDER_NAME: provider,
            gen_ai.GEN_AI_REQUEST_MODEL: model,
            gen_ai.GEN_AI_INPUT_MESSAGES: gen_ai_json_dumps([asdict(message) for message in invocation.input_messages]),
            **{attribute: values[name] for attribute, name in SETTINGS.items() if name in values},
            **invocation.attributes,
        }
        if (tools := values.get("tools")) is not None:
            attributes[gen_ai.GEN_AI_TOOL_DEFINITIONS] = gen_ai_json_dumps([asdict(tool) for tool in tools])
        found = request_of({name: value for name, value in attributes.items() if value is not None})
        if found is None:
            raise UnknownCallError("The call has no messages.")
        return found
