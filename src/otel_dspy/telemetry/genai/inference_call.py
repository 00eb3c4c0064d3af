"""Lightweight handle of a running language model call, in place of an invocation of opentelemetry-util-genai.

The library's invocation is created when the call has ended, from the template of its request.
"""

from __future__ import annotations

import timeit
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind
from opentelemetry.util.genai.invocation import CLIENT_INFERENCE_CONTEXT_KEY

from otel_dspy.telemetry.call_context import SPAN, for_log_record
from otel_dspy.telemetry.genai.inference import Inside
from otel_dspy.telemetry.genai.inference_template import with_conversation_id

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.telemetry.genai.inference import Inference
    from otel_dspy.telemetry.genai.inference_template import InferenceTemplate


class InferenceCall:
    """A running language model call.

    Args:
        template: template of the request.
        context: parent context.
        conversation: id of the conversation, if there is one.
    """

    measured = True
    """See `Inference`."""
    _chunks: list[float] | None = None

    def __init__(self, template: InferenceTemplate, context: Context, conversation: str | None) -> None:
        self._template = template
        self._conversation = conversation
        self.attributes: dict[str, AttributeValue] = {}
        """Attributes of the span in addition to the library's."""
        self.span = template.backend.tracer.start_span(
            template.span_name, context, SpanKind.CLIENT, template.attributes.copy()
        )
        if conversation is not None:
            context = with_conversation_id(conversation, context)  # for calls of other instrumentations inside
        self.context = Context({**context, SPAN: self.span, CLIENT_INFERENCE_CONTEXT_KEY: Inside()})
        """Context inside the call."""
        self._started = timeit.default_timer()

    @property
    def has_event(self) -> bool:
        """Whether a log event is emitted for the call."""
        return self._template.backend.emits_events

    def record_stream_chunk(self) -> None:
        """Record the time of a chunk of a streamed response."""
        if self._chunks is None:
            self._chunks = []
        self._chunks.append(timeit.default_timer())

    def invocation(self, *, late: float = 0.0) -> Inference:
        """Create the library's invocation. Call it once, after the end of the call, `late` seconds later."""
        invocation = self._template.invocation(self.context, self._conversation)
        # The library measures the duration until `stop` or `fail`, so all times are shifted.
        context = for_log_record(self.context) if self._template.backend.emits_events else self.context
        invocation.set_start(context, self._started + late)
        invocation.measured = self.measured
        invocation.attributes.update(self.attributes)
        for chunk in self._chunks or ():
            invocation.add_chunk(chunk + late)
        return invocation
