"""Telemetry facade shared by all hooks: tracer, instruments, log events, GenAI handler, content filter, secrets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv.schemas import Schemas
from opentelemetry.trace import get_tracer, get_tracer_provider

from otel_dspy.runtime.deferred_queue import DeferredQueue
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.span_format import SCOPE_NAME
from otel_dspy.telemetry.content.content_filter import ContentFilter
from otel_dspy.telemetry.content.content_json import plain_json
from otel_dspy.telemetry.content.payloads import PayloadFlusher, put_payload
from otel_dspy.telemetry.conventions.conversations import ConversationTracer
from otel_dspy.telemetry.conventions.translating_tracer import with_extra_conventions
from otel_dspy.telemetry.deferred.span_ends import SpanEnds
from otel_dspy.telemetry.events import Events
from otel_dspy.telemetry.exceptions import mark_failed
from otel_dspy.telemetry.genai.handler import GenAIHandler
from otel_dspy.telemetry.genai.message_parts import MessageParts
from otel_dspy.telemetry.instruments import Instruments
from otel_dspy.telemetry.model_names import ModelNames
from otel_dspy.telemetry.random_source import own_ids
from otel_dspy.telemetry.secrets.scrubber import SecretKeeper
from otel_dspy.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider
    from opentelemetry.util.types import AnyValue

    from otel_dspy.settings import Settings


class Telemetry:
    """Telemetry facade shared by all hooks. Created by `DSPyInstrumentor.instrument`.

    Args:
        settings: settings of the instrumentation.
        tracer_provider: provider of the spans' tracer; None: the global one.
        meter_provider: provider of the metrics' meter; None: the global one.
        logger_provider: provider of the events' logger; None: the global one.
        content_forced: True if `capture_content` was passed as a keyword, which takes precedence over the environment.
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
        self.budget = settings.budget
        """Budget of the compiles that start from now on."""
        self.tracer_provider = tracer_provider
        schema = Schemas.V1_37_0.value
        tracer = get_tracer(SCOPE_NAME, __version__, tracer_provider, schema_url=schema)
        own_ids(tracer)
        self.deferred_queue = DeferredQueue()
        self.ends = SpanEnds(tracer, self.deferred_queue, observed=settings.redact is not None)
        self.tracer = ConversationTracer(with_extra_conventions(tracer, settings.extra_conventions))
        self.instruments = Instruments(meter_provider, self.deferred_queue)
        self.events = Events(logger_provider)
        self.secrets = SecretKeeper()
        self.model_names = ModelNames(self.secrets.scrub)
        self._payload_flusher = PayloadFlusher(self._flush)
        self.content = ContentFilter(settings, self.secrets)
        self.input_parts = self.parts_of(gen_ai.GEN_AI_INPUT_MESSAGES)
        self.output_parts = self.parts_of(gen_ai.GEN_AI_OUTPUT_MESSAGES)
        """Redaction and serialization of the messages of language model calls."""
        handler = GenAIHandler(tracer_provider, meter_provider, logger_provider, SCOPE_NAME)
        self.others = handler.use_tracer(tracer, settings.extra_conventions)
        handler.defer_measurements(self.deferred_queue)
        if settings.capture_content:
            handler.capture_on_spans()  # the library ignores `true`, a former value of the variable
        elif content_forced:
            handler.capture_nothing()
        handler.freeze()
        self.genai: GenAIHandler = handler
        self.messages_wanted = handler.messages_wanted
        """Whether messages are captured, on spans or in log events."""

    def parts_of(self, name: str) -> MessageParts:
        """Return the redaction and serialization of the messages in the attribute `name`."""
        return MessageParts(self.content, name, self.settings.max_media_bytes)

    def before_end(self, span: Span, part: str, record: Callable[..., object], *args: object) -> None:
        """Call `record(*args)` to set the final attributes, on the deferred queue if the span's end can be deferred.

        Args:
            span: the span that is about to end.
            part: name of the work in the report of a failure.
            record: must not depend on the calling thread or context, nor on objects that the application may change.
            args: arguments of `record`.
        """
        self.ends.before_end(span, part, record, *args)

    def before_next_span(self, callback: Callable[[], object]) -> None:
        """Call `callback` before the next span, perhaps a second time before the next one of a language model."""
        self.tracer.before_next_span(callback)
        self.genai.before_next_span(callback)

    def end_span(self, span: Span, error: BaseException | None = None) -> None:
        """End a span as of now, on the deferred queue if possible; as failed, where what it records raised an error."""
        if error is not None:
            mark_failed(span, error, self.content)
        self.ends.end(span)

    def put_content_payload(self, span: Span, name: str, value: AnyValue, *, whole: bool = False) -> None:
        """Set a content attribute of any size to plain data (see `plain`), as JSON text unless it is a string.

        The user's redactor is applied to each string. The text is not truncated.

        Args:
            span: the span that receives the attribute.
            name: the attribute's name.
            value: plain data.
            whole: keep large media instead of replacing them by size and digest.
        """
        if span.is_recording():
            redacted = self.content.redacted(name, value) if whole else self.content.prepared(name, value)
            self.put_payload(span, name, redacted if isinstance(redacted, str) else plain_json(redacted))

    def put_payload(self, span: Span, name: str, text: str) -> None:
        """Set an attribute to a JSON text of any size (see `payloads`), without secrets. The text is not truncated.

        Args:
            span: the span that gets the attribute.
            name: the attribute's name.
            text: a JSON text.
        """
        if span.is_recording():
            put_payload(self.tracer, self._payload_flusher, span, name, self.secrets.scrub(text))

    def _flush(self, seconds: float) -> bool:
        with guarded("flush of large payloads"):
            provider = self.tracer_provider or get_tracer_provider()
            force_flush = getattr(provider, "force_flush", None)
            return force_flush is None or bool(force_flush(int(seconds * 1000)))
        return False


now: Final = time.perf_counter
"""Returns the time of a monotonic clock in seconds, for durations."""
