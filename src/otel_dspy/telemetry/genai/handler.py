"""Handler of opentelemetry-util-genai with deferred metrics and the content settings of the instrumentation."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, TypeVar

from opentelemetry.util.genai.handler import TelemetryHandler
from opentelemetry.util.genai.invocation import (
    CLIENT_EMBEDDING_CONTEXT_KEY,
    CLIENT_INFERENCE_CONTEXT_KEY,
    CLIENT_RETRIEVAL_CONTEXT_KEY,
)
from opentelemetry.util.genai.types import ContentCapturingMode
from opentelemetry.util.genai.utils import get_content_capturing_mode
from opentelemetry.util.genai.version import __version__ as library_version
from typing_extensions import override

from otel_dspy.telemetry.conventions.conversations import ConversationTracer, current_conversation
from otel_dspy.telemetry.conventions.translating_tracer import with_extra_conventions
from otel_dspy.telemetry.deferred.measurements import DeferredHistogram
from otel_dspy.telemetry.genai.inference import InvocationBackend, emits_events, inside_inference
from otel_dspy.telemetry.genai.inference_call import InferenceCall
from otel_dspy.telemetry.genai.inference_template import InferenceTemplates
from otel_dspy.telemetry.genai.other_instrumentations import CoexistingTracer, OtherInstrumentations
from otel_dspy.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from opentelemetry._logs import LoggerProvider
    from opentelemetry.context import Context
    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider
    from opentelemetry.util.genai.invocation import (
        EmbeddingInvocation,
        GenAIInvocation,
        InferenceInvocation,
        LocalAgentInvocation,
        RetrievalInvocation,
        ToolInvocation,
    )

    from otel_dspy.runtime.deferred_queue import DeferredQueue
    from otel_dspy.settings import ExtraConvention
    from otel_dspy.telemetry.genai.inference_template import Request

_NEEDED: Final = frozenset({"_instruments", "_logger", "_completion_hook"})
"""Private attributes of util-genai's handler without which its calls are started by its own methods."""
_PRIVATE: Final = ("_tracer", "_content_capturing_mode", *sorted(_NEEDED))
_Invocation = TypeVar("_Invocation", bound="GenAIInvocation")
_logger = logging.getLogger("otel_dspy")


class GenAIHandler(TelemetryHandler):
    """Starts invocations of opentelemetry-util-genai for all hooks.

    Sets private attributes of the library. Where the library lacks one of them, this is logged, and calls are recorded
    by the library's public methods with what remains.

    Args:
        tracer_provider: provider of the spans' tracer; None: the global one.
        meter_provider: provider of the metrics' meter; None: the global one.
        logger_provider: provider of the events' logger; None: the global one.
        scope: name of the instrumentation scope.
    """

    templates: InferenceTemplates | None = None
    """Templates of language model calls, set by `freeze`; None if the library lacks what they need."""

    def __init__(
        self,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        logger_provider: LoggerProvider | None,
        scope: str,
    ) -> None:
        super().__init__(tracer_provider, meter_provider, logger_provider, None, scope, __version__)
        self._scope = scope
        self._mode = get_content_capturing_mode()
        self._lacking = [name for name in _PRIVATE if not hasattr(self, name)]
        lacking = [f"TelemetryHandler.{name}" for name in self._lacking]
        if emits_events(self._mode) is None:
            lacking.append("_should_emit_event")
        if lacking:
            _logger.info(
                "otel-dspy: opentelemetry-util-genai %s lacks %s; its calls are recorded with less detail",
                library_version,
                ", ".join(lacking),
            )

    def call(self, context: Context, request: Request) -> InferenceCall | InferenceInvocation:
        """Start a language model call (see `telemetry.genai.inference`).

        Inside the inference call of another instrumentation, return the library's invocation, which enriches that call.

        Args:
            context: parent context.
            request: the request's model, provider, server and operation.
        """
        given = context
        running = context.get(CLIENT_INFERENCE_CONTEXT_KEY) is not None
        if running:
            context = self._others.genai_context(CLIENT_INFERENCE_CONTEXT_KEY, context)
        conversation = current_conversation(given)
        if self.templates is None or (running and inside_inference(context)):
            return _suspended(self.inference(context=context, conversation_id=conversation, **request))
        call = InferenceCall(self.templates.of(request), context, conversation)
        call.measured = context is given  # otherwise the enclosing call records duration and tokens
        return call

    @override
    def embedding(self, provider: str, **call: Any) -> EmbeddingInvocation:
        """Start an embedding call; see the base class for the arguments."""
        call["context"] = self._others.genai_context(CLIENT_EMBEDDING_CONTEXT_KEY, call.get("context"))
        return _suspended(super().embedding(provider, **call))

    @override
    def retrieval(self, **call: Any) -> RetrievalInvocation:
        """Start a retrieval; see the base class for the arguments."""
        call["context"] = self._others.genai_context(CLIENT_RETRIEVAL_CONTEXT_KEY, call.get("context"))
        return _suspended(super().retrieval(**call))

    @override
    def invoke_local_agent(self, **call: Any) -> LocalAgentInvocation:
        """Start an agent invocation; see the base class for the arguments."""
        call.setdefault("conversation_id", current_conversation(call.get("context")))
        return _suspended(super().invoke_local_agent(**call))

    @override
    def tool(self, name: str, **call: Any) -> ToolInvocation:
        """Start a tool call; see the base class for the arguments."""
        return _suspended(super().tool(name, **call))

    def use_tracer(self, tracer: Tracer, conventions: Collection[ExtraConvention]) -> OtherInstrumentations:
        """Set the tracer, with extra conventions, reuse of other instrumentations' spans, and conversation ids.

        Args:
            tracer: tracer of all spans.
            conventions: further conventions for the spans.

        Returns:
            The registry of other instrumentations.
        """
        self._others = OtherInstrumentations(tracer, self._scope)
        translating = with_extra_conventions(tracer, conventions)
        self._tracer = self._own_tracer = ConversationTracer(CoexistingTracer(translating, self._others))
        return self._others

    def before_next_span(self, callback: Callable[[], object]) -> None:
        """Call `callback` before the next span; call after `use_tracer`."""
        self._own_tracer.before_next_span(callback)

    def defer_measurements(self, queue: DeferredQueue) -> None:
        """Record metrics through the deferred queue (see `telemetry.deferred.measurements`)."""
        instruments = getattr(self, "_instruments", None)
        for name in ("operation_duration", "token_usage", "time_to_first_chunk", "time_per_output_chunk"):
            histogram: Histogram | None = getattr(instruments, name, None)
            if histogram is not None:
                setattr(instruments, name, DeferredHistogram(queue, histogram))

    def freeze(self) -> None:
        """Freeze the configuration used to create invocations."""
        events = emits_events(self._mode)
        if events is not None and not _NEEDED.intersection(self._lacking):
            self.templates = InferenceTemplates(
                InvocationBackend(
                    self._tracer, self._instruments, self._logger, self._completion_hook, self._mode, events
                )
            )

    def capture_on_spans(self) -> None:
        """Capture message content on spans, for `instrument(capture_content=True)`."""
        if self._mode is ContentCapturingMode.EVENT_ONLY:
            self._capture(ContentCapturingMode.SPAN_AND_EVENT)
        elif self._mode is ContentCapturingMode.NO_CONTENT:
            self._capture(ContentCapturingMode.SPAN_ONLY)

    @property
    def messages_wanted(self) -> bool:
        """Whether message content is captured at all."""
        return self._mode is not ContentCapturingMode.NO_CONTENT

    @property
    def content_on_spans(self) -> bool:
        """Whether message content, and that of tool calls, is captured on spans."""
        return self._mode in {ContentCapturingMode.SPAN_ONLY, ContentCapturingMode.SPAN_AND_EVENT}

    def capture_nothing(self) -> None:
        """Capture no message content, for `instrument(capture_content=False)`."""
        self._capture(ContentCapturingMode.NO_CONTENT)

    def _capture(self, mode: ContentCapturingMode) -> None:
        self._mode = self._content_capturing_mode = mode


def _suspended(invocation: _Invocation) -> _Invocation:
    """Restore the caller's context, which the library has replaced by that of the invocation: the hook attaches it."""
    invocation.suspend()
    return invocation
