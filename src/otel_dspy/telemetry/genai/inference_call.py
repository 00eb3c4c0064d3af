"""A call to a language model from its start to its end, while opentelemetry-util-genai need not know of it.

The library's object of fifty fields is made when the call has ended; until then an `InferenceCall` takes its place. The
span's name and first attributes, which a sampler sees, stand here a second time: a test holds them against the
library's.
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

from otel_dspy.telemetry.call_context import with_more
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
"""What the library tells of a call when it begins: its argument, and the attribute."""


class Speaker(NamedTuple):
    """What the library's invocations are made with."""

    tracer: Tracer
    instruments: _Instruments
    logger: Logger
    completion_hook: CompletionHook
    mode: ContentCapturingMode
    emits_events: bool


class Request(TypedDict):
    """A request to a language model, by the library's arguments."""

    provider: str
    request_model: str | None
    server_address: str | None
    server_port: int | None
    operation_name: str


class InferenceCall:
    """A call to a language model that has begun.

    Args:
        speaker: what it is told by.
        request: what is asked of whom.
        context: where the call stands; its span becomes a child of that.
        conversation: the one that it is a part of.
    """

    measured = True
    """See `Inference`."""

    def __init__(self, speaker: Speaker, request: Request, context: Context, conversation: str | None) -> None:
        self._speaker = speaker
        self._request = request
        self._conversation = conversation
        self._chunks: list[float] = []
        self.attributes: dict[str, AttributeValue] = {}
        """Of the span, beside those of the library."""
        model, operation = request["request_model"], request["operation_name"]
        first: dict[str, AttributeValue] = {gen_ai.GEN_AI_OPERATION_NAME: operation}
        for name, attribute in _FIRST:
            value = request[name]
            if value is not None:
                first[attribute] = value
        self.span = speaker.tracer.start_span(
            f"{operation} {model}" if model else operation, context, SpanKind.CLIENT, first
        )
        self._outside = context
        if conversation is not None:
            context = with_conversation_id(conversation, context=context)  # for others' calls inside
        self.context = with_more(set_span_in_context(self.span, context), CLIENT_INFERENCE_CONTEXT_KEY, Inside())
        """The context inside of the call."""
        self._started = timeit.default_timer()

    @property
    def has_event(self) -> bool:
        """Whether the call is told by a log event too."""
        return self._speaker.emits_events

    def record_stream_chunk(self) -> None:
        """A chunk of a streamed answer has come."""
        self._chunks.append(timeit.default_timer())

    def invocation(self, *, late: float = 0.0) -> Inference:
        """The library's object for it; to be asked for once, when the call has ended, `late` seconds ago."""
        speaker = self._speaker
        invocation = Inference(
            _Started(self.span),
            speaker.instruments,
            speaker.logger,
            speaker.completion_hook,
            content_capturing_mode=speaker.mode,
            context=self._outside,
            conversation_id=self._conversation,
            _attach_to_context=False,
            **self._request,
        )
        # The library reckons the duration until it is told of the end.
        invocation.begun(self.context, self._started + late)
        invocation.measured = self.measured
        invocation.attributes.update(self.attributes)
        for chunk in self._chunks:
            invocation.chunk_came(chunk + late)
        return invocation


class _Started(Tracer):
    """Gives a span that has been started."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @override
    def start_span(self, *args: Any, **kwargs: Any) -> Span:
        return self._span

    @override
    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError  # the library has no use for it
