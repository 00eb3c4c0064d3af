"""Inference calls of opentelemetry-util-genai, without the part of its work that nobody would see.

What is said of a call is the library's, word by word: this leaves out what cannot have a result. The library's class
offers no way in but its own methods; should they be renamed, calls take longer and say the same.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import get_value
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.util.genai._inference_invocation import (
    CLIENT_INFERENCE_CONTEXT_KEY,
    InferenceData,
    InferenceInvocation,
    _should_emit_event,  # pyright: ignore[reportPrivateUsage] - see above
)
from opentelemetry.util.genai.completion_hook import _NoOpCompletionHook  # pyright: ignore[reportPrivateUsage] - see above
from opentelemetry.util.genai.types import ContentCapturingMode
from typing_extensions import override

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.util.genai.types import Error


class Inside(InferenceData):
    """What calls inside of one have told, made without writing its fields out: the class has their defaults."""

    def __init__(self) -> None:
        self.attributes = {}
        self.metric_attributes = {}


_UNTOUCHED: Final = Inside()
_ON_SPANS: Final = (ContentCapturingMode.SPAN_ONLY, ContentCapturingMode.SPAN_AND_EVENT)


def emits_events(mode: ContentCapturingMode) -> bool:
    """Whether the library tells a call by a log event too: its own rule, by environment and mode."""
    return _should_emit_event(mode)


def inside_inference(context: Context | None) -> bool:
    """Whether another instrumentation's inference call is open in the context; one inside it says nothing itself."""
    return isinstance(get_value(CLIENT_INFERENCE_CONTEXT_KEY, context), InferenceData)


class Inference(InferenceInvocation):
    """An inference call that does nothing in vain."""

    measured = True
    """Whether its duration and tokens are counted: not where a call around, which goes elsewhere, counts them."""

    def begun(self, context: Context, started: float) -> None:
        """Say when it began, by `timeit.default_timer`, and in which context its own calls stood."""
        self._span_context = context
        self._monotonic_start_s = started

    def chunk_came(self, at: float) -> None:
        """A chunk of a streamed answer came then."""
        self._request_stream = True
        self._on_stream_chunk(at)

    @override
    def _record_client_metrics(self) -> None:
        if self.measured:
            super()._record_client_metrics()

    @override
    def enrich_from_context(self, data: InferenceData) -> None:
        """Take in what instrumented calls inside have told, if there were any."""
        if data != _UNTOUCHED:
            super().enrich_from_context(data)

    @override
    def _get_message_attributes(self, *, for_span: bool) -> dict[str, Any]:
        if not for_span or self.system_instruction or self.tool_definitions or self.prompt_variables:
            return super()._get_message_attributes(for_span=for_span)
        if self._content_capturing_mode not in _ON_SPANS:
            return {}
        # The library copies every message deeply and has the copies written; the text is the same.
        attributes: dict[str, Any] = {}
        if self.input_messages:
            attributes[gen_ai.GEN_AI_INPUT_MESSAGES] = _ENCODER.encode(self.input_messages)
        if self.output_messages:
            attributes[gen_ai.GEN_AI_OUTPUT_MESSAGES] = _ENCODER.encode(self.output_messages)
        return attributes

    @override
    def _apply_finish(self, error: Error | None = None) -> None:
        if self.span.is_recording() or self._emit_event or not isinstance(self._completion_hook, _NoOpCompletionHook):
            super()._apply_finish(error)
            return
        # Attributes and messages of a span that is not recorded go nowhere; metrics count it all the same.
        if error is not None:
            self._apply_error_attributes(error)
        inside = get_value(CLIENT_INFERENCE_CONTEXT_KEY, context=self._span_context)
        if isinstance(inside, InferenceData):
            self.enrich_from_context(inside)
        self._record_client_metrics()


def _plain(value: object) -> object:
    return b64encode(value).decode() if isinstance(value, bytes) else vars(value)


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), default=_plain)
"""Writes the library's messages as it does itself."""
