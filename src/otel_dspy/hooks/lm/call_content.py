"""Content of ended LM calls: request, response and usage, set on the `InferenceInvocation` and added to the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from opentelemetry.util.genai.types import OutputMessage

from otel_dspy import semconv
from otel_dspy.hooks.lm.messages import chat_message
from otel_dspy.hooks.lm.usage_totals import measure_usage

if TYPE_CHECKING:
    from opentelemetry.util.genai.invocation import InferenceInvocation
    from opentelemetry.util.types import AnyValue, AttributeValue

    from otel_dspy.hooks.lm.call_record import LMCallRecord
    from otel_dspy.hooks.lm.call_request import CallRequest
    from otel_dspy.hooks.lm.messages import CapturedMessage
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.prompt_names import Prompt
    from otel_dspy.telemetry.tallies.usage_tally import CallUsage

_TOOL_CALL: Final = {"tool_calls": "tool_call", "function_call": "tool_call"}
"""OpenAI's finish reasons, which LiteLLM uses for all providers, mapped to the one of the semantic conventions."""


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
        answers: the response messages; None if they are not recorded.
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
        labels: Mapping[str, AttributeValue],
    ) -> None:
        self._prompt = prompt
        self._telemetry = telemetry
        self._request = request
        self._record = record
        self._usage = usage
        self._labels = labels
        self.answers: list[CapturedMessage] | None = None
        self.fields: list[AnyValue] | None = None

    def __call__(self, invocation: InferenceInvocation) -> None:
        """Add the usage to the metrics; set request, response, and the prompt's name and version on the invocation."""
        measure_usage(self._telemetry, self._usage, self._labels)
        if self._request is not None:
            self._request.put(self._telemetry, invocation)
        _put_response(self._telemetry, invocation, self._record, self.answers)
        if self.fields and self._telemetry.genai.content_on_spans:
            fields = _tokens_as_text(self.fields)
            self._telemetry.content.put_plain(invocation.attributes, semconv.DSPY_LM_RESPONSE_FIELDS, fields)
        if self._prompt is not None:
            invocation.data.prompt_name = self._prompt.name
            invocation.data.prompt_version = self._prompt.version


def _put_response(
    telemetry: Telemetry, invocation: InferenceInvocation, record: LMCallRecord, answers: list[CapturedMessage] | None
) -> None:
    """Set the response on the invocation.

    Args:
        telemetry: provides redaction and the content settings.
        invocation: the library's invocation.
        record: usage, model, id and finish reasons of the response.
        answers: the response messages; None if they are not recorded.
    """
    data = invocation.data  # its fields, because each property of the invocation is a function call
    data.response_model = record.response_model
    data.response_id = record.response_id
    if record.requests > 1:
        invocation.attributes[semconv.DSPY_LM_REQUESTS] = record.requests
    reasons = list(record.finish_reasons)
    data.response_finish_reasons = reasons or None
    if record.usage is not None and not record.cache_hit:
        data.usage_input_tokens, data.usage_output_tokens = record.usage
        data.usage_cache_read_input_tokens = record.cached_tokens
        data.usage_reasoning_output_tokens = record.reasoning_tokens
        for name, count in record.more_tokens.items():
            setattr(invocation, name, count)
    if answers is not None:
        parts = telemetry.output_parts
        data.output_messages = [
            OutputMessage(
                role=answer.role,
                parts=parts.of(answer),
                finish_reason=_TOOL_CALL.get(reasons[index], reasons[index]) if index < len(reasons) else None,
            )
            for index, answer in enumerate(map(chat_message, answers))
        ]


def _tokens_as_text(value: AnyValue) -> AnyValue:
    """Rename the field `token` of logprobs to `text`: a field of that name holds a secret, for the redaction."""
    if isinstance(value, Mapping):
        found = cast("Mapping[str, AnyValue]", value)
        return {"text" if name == "token" else name: _tokens_as_text(item) for name, item in found.items()}
    return [_tokens_as_text(item) for item in value] if isinstance(value, list) else value
