"""Lightweight handle of a running language model call, in place of an invocation of opentelemetry-util-genai.

The library's invocation object with fifty fields is created when the call has ended. The span's name and initial
attributes, which samplers receive, are therefore duplicated here; a test compares them with the library's.
"""

from __future__ import annotations

import timeit
from typing import TYPE_CHECKING, Final, Literal, TypedDict

from opentelemetry.context import Context
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.trace import SpanKind
from opentelemetry.util.genai.invocation import CLIENT_INFERENCE_CONTEXT_KEY

from otel_dspy.telemetry.call_context import SPAN
from otel_dspy.telemetry.genai.inference import Inference, Inside

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.telemetry.genai.inference import InvocationBackend

_FIRST: Final[tuple[tuple[Literal["provider", "request_model", "server_address", "server_port"], str], ...]] = (
    ("provider", gen_ai.GEN_AI_PROVIDER_NAME),
    ("request_model", gen_ai.GEN_AI_REQUEST_MODEL),
    ("server_address", SERVER_ADDRESS),
    ("server_port", SERVER_PORT),
)
"""(argument, attribute) of the attributes that the library sets at the start of a call."""


class Request(TypedDict):
    """Arguments of the library for a request to a language model."""

    provider: str
    request_model: str | None
    server_address: str | None
    server_port: int | None
    operation_name: str


class InferenceCall:
    """A running language model call.

    Args:
        backend: dependencies of the invocation.
        request: model, provider, server and operation.
        context: parent context.
        conversation: id of the conversation, if there is one.
    """

    measured = True
    """See `Inference`."""

    def __init__(
        self, backend: InvocationBackend, request: Request, context: Context, conversation: str | None
    ) -> None:
        self._backend = backend
        self._request = request
        self._conversation = conversation
        self._chunks: list[float] = []
        self.attributes: dict[str, AttributeValue] = {}
        """Attributes of the span in addition to the library's."""
        model, operation = request["request_model"], request["operation_name"]
        first: dict[str, AttributeValue] = {gen_ai.GEN_AI_OPERATION_NAME: operation}
        for name, attribute in _FIRST:
            value = request[name]
            if value is not None:
                first[attribute] = value
        self.span = backend.tracer.start_span(
            f"{operation} {model}" if model else operation, context, SpanKind.CLIENT, first
        )
        if conversation is not None:
            context = _with_conversation_id(conversation, context)  # for calls of other instrumentations inside
        self.context = Context(context, **{SPAN: self.span, CLIENT_INFERENCE_CONTEXT_KEY: Inside()})
        """Context inside the call."""
        self._started = timeit.default_timer()

    @property
    def has_event(self) -> bool:
        """Whether a log event is emitted for the call."""
        return self._backend.emits_events

    def record_stream_chunk(self) -> None:
        """Record the time of a chunk of a streamed response."""
        self._chunks.append(timeit.default_timer())

    def invocation(self, *, late: float = 0.0) -> Inference:
        """Create the library's invocation. Call it once, after the end of the call, `late` seconds later."""
        backend = self._backend
        invocation = Inference(
            backend.tracer,
            backend.instruments,
            backend.logger,
            backend.completion_hook,
            content_capturing_mode=backend.mode,
            start_span=False,  # the context's span is the call's
            context=self.context,
            conversation_id=self._conversation,
            **self._request,
        )
        invocation.backend = backend
        invocation.has_own_span()
        # The library measures the duration until `stop` or `fail`, so all times are shifted.
        invocation.set_start(self.context, self._started + late)
        invocation.measured = self.measured
        invocation.attributes.update(self.attributes)
        for chunk in self._chunks:
            invocation.add_chunk(chunk + late)
        return invocation


def _with_conversation_id(conversation: str, context: Context) -> Context:
    """Set the library's ambient conversation id; without effect if the library lacks its private module."""
    try:
        from opentelemetry.util.genai._conversation_context import with_conversation_id  # noqa: PLC0415 - may be missing
    except ImportError:
        return context
    return with_conversation_id(conversation, context=context)
