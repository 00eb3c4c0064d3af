"""Inference calls of opentelemetry-util-genai, without the part of its work that nobody would see, and after the call.

What is said of a call is the library's, word by word; only the span's name and first attributes, which a sampler sees,
stand here a second time (a test holds them against the library's). Its object of fifty fields is made when the call has
ended: until then an `InferenceCall` takes its place.
"""

from __future__ import annotations

import json
import timeit
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypedDict

from opentelemetry.context import get_value, set_value
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.trace import SpanKind, Tracer, set_span_in_context
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
    from opentelemetry._logs import Logger
    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.genai._instruments import _Instruments
    from opentelemetry.util.genai.completion_hook import CompletionHook
    from opentelemetry.util.genai.types import Error
    from opentelemetry.util.types import AttributeValue


class _Inside(InferenceData):
    """What calls inside of one have told, made without writing its fields out: the class has their defaults."""

    def __init__(self) -> None:
        self.attributes = {}
        self.metric_attributes = {}


_UNTOUCHED: Final = _Inside()
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
        self.context = set_value(CLIENT_INFERENCE_CONTEXT_KEY, _Inside(), set_span_in_context(self.span, context))
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


_FIRST: Final[tuple[tuple[Literal["provider", "request_model", "server_address", "server_port"], str], ...]] = (
    ("provider", gen_ai.GEN_AI_PROVIDER_NAME),
    ("request_model", gen_ai.GEN_AI_REQUEST_MODEL),
    ("server_address", SERVER_ADDRESS),
    ("server_port", SERVER_PORT),
)
"""What the library tells of a call when it begins: its argument, and the attribute."""
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), default=vars)
"""Writes the library's messages as it does itself; those that the LM hook makes hold text alone."""
