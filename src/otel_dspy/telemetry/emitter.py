"""Everything that a hook needs to speak: tracer, instruments, log events, the GenAI handler, content and secrets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.semconv.schemas import Schemas
from opentelemetry.trace import get_tracer, get_tracer_provider
from opentelemetry.util.genai.handler import TelemetryHandler
from opentelemetry.util.genai.invocation import (
    CLIENT_EMBEDDING_CONTEXT_KEY,
    CLIENT_INFERENCE_CONTEXT_KEY,
    CLIENT_RETRIEVAL_CONTEXT_KEY,
)
from opentelemetry.util.genai.types import ContentCapturingMode
from typing_extensions import override

from otel_dspy.runtime.deferred_queue import DeferredQueue
from otel_dspy.runtime.guard import guarded
from otel_dspy.telemetry.content import ContentFilter, plain_json
from otel_dspy.telemetry.conventions.conversations import ConversationTracer, current_conversation
from otel_dspy.telemetry.deferred.measurements import DeferredHistogram
from otel_dspy.telemetry.deferred.tracer import DeferredTracer, late_span
from otel_dspy.telemetry.events import Events
from otel_dspy.telemetry.genai.inference import emits_events, inside_inference
from otel_dspy.telemetry.genai.inference_call import InferenceCall, Speaker
from otel_dspy.telemetry.genai.other_instrumentations import CoexistingTracer, OtherInstrumentations
from otel_dspy.telemetry.ids import own_ids
from otel_dspy.telemetry.instruments import Instruments
from otel_dspy.telemetry.model_names import ModelNames
from otel_dspy.telemetry.payloads import Outflow, put_payload
from otel_dspy.telemetry.secrets.scrubber import SecretKeeper
from otel_dspy.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from opentelemetry._logs import LoggerProvider
    from opentelemetry.context import Context
    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider
    from opentelemetry.util.genai.invocation import (
        EmbeddingInvocation,
        InferenceInvocation,
        LocalAgentInvocation,
        RetrievalInvocation,
    )
    from opentelemetry.util.types import AnyValue

    from otel_dspy.settings import ExtraConvention, Settings
    from otel_dspy.telemetry.genai.inference_call import Request

SCOPE: Final = "otel_dspy"
"""Name of the instrumentation scope of every span, event and metric."""


class GenAIHandler(TelemetryHandler):
    """util-genai's handler with the content switch of our settings instead of the environment's alone."""

    @property
    def tracer(self) -> Tracer:
        """What its spans are started with."""
        return self._tracer

    def call(self, context: Context, request: Request) -> InferenceCall | InferenceInvocation:
        """Start a call to a language model (see `telemetry.inference`).

        Inside another instrumentation's call it is the library's own, which tells that one what it knows.
        """
        given, context = context, self._others.genai_context(CLIENT_INFERENCE_CONTEXT_KEY, context)
        conversation = current_conversation(given)
        if inside_inference(context):
            return self.inference(context=context, conversation_id=conversation, _attach_to_context=False, **request)
        call = InferenceCall(self._speaker, request, context, conversation)
        call.measured = context is given  # else the call around counts the tokens
        return call

    @override
    def embedding(self, provider: str, **call: Any) -> EmbeddingInvocation:
        """Start an embedding call; the arguments are the library's."""
        call["context"] = self._others.genai_context(CLIENT_EMBEDDING_CONTEXT_KEY, call.get("context"))
        return super().embedding(provider, **call)

    @override
    def retrieval(self, **call: Any) -> RetrievalInvocation:
        """Start a retrieval; the arguments are the library's."""
        call["context"] = self._others.genai_context(CLIENT_RETRIEVAL_CONTEXT_KEY, call.get("context"))
        return super().retrieval(**call)

    @override
    def invoke_local_agent(self, **call: Any) -> LocalAgentInvocation:
        """Start an agent's call; the arguments are the library's."""
        call.setdefault("conversation_id", current_conversation(call.get("context")))
        return super().invoke_local_agent(**call)

    def stand_back(
        self, conventions: Collection[ExtraConvention], later: DeferredQueue, *, observed: bool
    ) -> OtherInstrumentations:
        """Let its spans say which conversation they are a part of, and say all in these conventions too.

        Where others have a span for the same call, that one is used. Ends that may be late are.
        """
        self._others = OtherInstrumentations(self._tracer, SCOPE)
        told = DeferredTracer(self._tracer, conventions, later, observed=observed)
        self._tracer = ConversationTracer(CoexistingTracer(told, self._others))
        return self._others

    def measure_later(self, later: DeferredQueue) -> None:
        """Let the metrics of a call wait (see `telemetry.measurements`)."""
        for name in ("operation_duration", "token_usage", "time_to_first_chunk", "time_per_output_chunk"):
            histogram: Histogram = getattr(self._instruments, name)
            setattr(self._instruments, name, DeferredHistogram(later, histogram))

    def settle(self) -> None:
        """What is said, and where, changes no more."""
        self._speaker = Speaker(
            self._tracer,
            self._instruments,
            self._logger,
            self._completion_hook,
            self._content_capturing_mode,
            emits_events(self._content_capturing_mode),
        )

    def capture_on_spans(self) -> None:
        """Let message content out on spans, as `instrument(capture_content=True)` asks."""
        if self._content_capturing_mode is ContentCapturingMode.EVENT_ONLY:
            self._content_capturing_mode = ContentCapturingMode.SPAN_AND_EVENT
        elif self._content_capturing_mode is ContentCapturingMode.NO_CONTENT:
            self._content_capturing_mode = ContentCapturingMode.SPAN_ONLY
        self._capture_content = True

    @property
    def messages_wanted(self) -> bool:
        """Whether message content leaves at all."""
        return self._content_capturing_mode is not ContentCapturingMode.NO_CONTENT

    def capture_nothing(self) -> None:
        """Keep message content in, as `instrument(capture_content=False)` asks."""
        self._content_capturing_mode = ContentCapturingMode.NO_CONTENT
        self._capture_content = False


class Telemetry:
    """One instrumentation's voice. Made by `DSPyInstrumentor.instrument`, handed to every hook.

    Args:
        settings: what may be said.
        tracer_provider, meter_provider, logger_provider: where it goes; None = the global ones.
        content_forced: True where the caller set `capture_content` by keyword, which then overrules the environment.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
        content_forced: bool = False,
    ) -> None:
        self.settings = settings
        self.tracer_provider = tracer_provider
        schema = Schemas.V1_37_0.value
        tracer = get_tracer(SCOPE, __version__, tracer_provider, schema_url=schema)
        own_ids(tracer)
        self.later = DeferredQueue()
        self.observed = settings.redact is not None
        """Whether texts go through hands of the user's, who may look at the call's context."""
        late = DeferredTracer(tracer, settings.extra_conventions, self.later, observed=self.observed)
        self.tracer: Tracer = ConversationTracer(late)
        self.instruments = Instruments(meter_provider, self.later)
        self.events = Events(logger_provider)
        self.secrets = SecretKeeper()
        self.model_names = ModelNames(self.secrets.scrub)
        self._outflow = Outflow(self._flush)
        self.content = ContentFilter(settings, self.secrets)
        handler = GenAIHandler(tracer_provider, meter_provider, logger_provider, None, SCOPE, __version__)
        own_ids(handler.tracer)
        self.others = handler.stand_back(settings.extra_conventions, self.later, observed=self.observed)
        handler.measure_later(self.later)
        if settings.capture_content:
            handler.capture_on_spans()  # `true`, which the standard's variable had once, is nothing to the library
        elif content_forced:
            handler.capture_nothing()
        handler.settle()
        self.genai: GenAIHandler = handler
        self.messages_wanted = handler.messages_wanted
        """Whether a call's messages leave, on its span or with its event alone."""

    def before_end(self, span: Span, part: str, tell: Callable[..., object], *args: object) -> None:
        """Let `tell(*args)` put the last of what is known onto the span, after the call if that may be.

        Args:
            span: that is about to end.
            part: what a failure is reported as.
            tell: must not depend on where it is called, nor on anything that the user's program may change.
            args: what it is called with.
        """
        late = late_span(span)
        if late is not None:
            late.tell_first(part, tell, *args)
            return
        with guarded(part):
            tell(*args)

    def put_content_payload(self, span: Span, name: str, value: AnyValue, *, whole: bool = False) -> None:
        """Set a content attribute of any size to plain data (see `plain`) as JSON text; a string stays as it is.

        The user's redactor is applied to each string; the text is never cut short. `whole`: large media stay in it.
        """
        if span.is_recording():
            redacted = self.content.redacted(name, value) if whole else self.content.prepared(name, value)
            self.put_payload(span, name, redacted if isinstance(redacted, str) else plain_json(redacted))

    def put_payload(self, span: Span, name: str, text: str) -> None:
        """Put a JSON text of any size on the span (see `payloads`), cleared of secrets, never cut short."""
        if span.is_recording():
            put_payload(self.tracer, self._outflow, span, name, self.secrets.scrub(text))

    def _flush(self, seconds: float) -> bool:
        with guarded("flush of large payloads"):
            provider = self.tracer_provider or get_tracer_provider()
            force_flush = getattr(provider, "force_flush", None)
            return force_flush is None or bool(force_flush(int(seconds * 1000)))
        return False


def now() -> float:
    """Seconds of a clock that only goes forward, for durations."""
    return time.perf_counter()
