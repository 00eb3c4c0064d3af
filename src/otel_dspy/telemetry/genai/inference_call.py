"""Lightweight handle of a running language model call, in place of an invocation of opentelemetry-util-genai.

The library's invocation object with fifty fields is created when the call has ended. The span's name and initial
attributes, which samplers receive, are therefore duplicated here; a test compares them with the library's.
"""

from __future__ import annotations

import timeit
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypedDict

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.trace import SpanKind, Tracer, set_span_in_context
from opentelemetry.util.genai._conversation_context import with_conversation_id
from opentelemetry.util.genai.invocation import CLIENT_INFERENCE_CONTEXT_KEY
from typing_extensions import override

from otel_dspy.telemetry.call_context import add_entry
from otel_dspy.telemetry.genai.inference import Inference, Inside

if TYPE_CHECKING:
    from opentelemetry._logs import Logger
    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.genai._instruments import _Instruments
    from opentelemetry.util.genai.completion_hook import CompletionHook
    from opentelemetry.util.genai.types import ContentCapturingMode
    from opentelemetry.util.types import AttributeValue

_FIRST: Final[tuple[tuple[Literal["provider", "request_model", "server_address", "server_port"], str], ...]] = (
    ("provider", gen_ai.GEN_AI_PROVIDER_NAME),
    ("request_model", gen_ai.GEN_AI_REQUEST_MODEL),
    ("server_address", SERVER_ADDRESS),
    ("server_port", SERVER_PORT),
)
"""(argument, attribute) of the attributes that the library sets at the start of a call."""


class InvocationBackend(NamedTuple):
    """Dependencies of the library's invocations."""

    tracer: Tracer
    instruments: _Instruments
    logger: Logger
    completion_hook: CompletionHook
    mode: ContentCapturingMode
    emits_events: bool


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
        self._outside = context
        if conversation is not None:
            context = with_conversation_id(conversation, context=context)  # for calls of other instrumentations inside
        self.context = add_entry(set_span_in_context(self.span, context), CLIENT_INFERENCE_CONTEXT_KEY, Inside())
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
            _Started(self.span),
            backend.instruments,
            backend.logger,
            backend.completion_hook,
            content_capturing_mode=backend.mode,
            context=self._outside,
            conversation_id=self._conversation,
            _attach_to_context=False,
            **self._request,
        )
        # The library measures the duration until `stop` or `fail`, so all times are shifted.
        invocation.set_start(self.context, self._started + late)
        invocation.measured = self.measured
        invocation.attributes.update(self.attributes)
        for chunk in self._chunks:
            invocation.add_chunk(chunk + late)
        return invocation


class _Started(Tracer):
    """Tracer that returns a span that has already been started."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @override
    def start_span(self, *args: Any, **kwargs: Any) -> Span:
        return self._span

    @override
    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError  # not used by the library
