"""Coexistence with other instrumentations: one span for each call, also if another instrumentation has started it.

Instrumentations that use opentelemetry-util-genai are recognized by its context entries, and its own rule applies: the
inner call enriches the outer one. Any other span is taken for the same call if it is the direct parent and its
attributes name the same operation. The existing span is reused: our attributes are added to it.

A span of another tracer provider is not reused: both instrumentations then record the call.
"""

from __future__ import annotations

import logging
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from opentelemetry import trace
from opentelemetry.context import get_current, get_value, set_value
from opentelemetry.trace import Span, SpanKind, get_current_span
from typing_extensions import override

from otel_dspy.runtime.enclosing_call import ENCLOSING
from otel_dspy.telemetry.call_context import SPAN
from otel_dspy.telemetry.delegating_tracer import DelegatingTracer
from otel_dspy.telemetry.genai.span_processors import processor_of_provider, processor_of_tracer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext, Tracer
    from opentelemetry.util.types import Attributes, AttributeValue

_logger = logging.getLogger("otel_dspy")
_Given = TypeVar("_Given", bound="Context | None")

_GLOBAL: Final = "_TRACER_PROVIDER"
"""Name of the API's variable with the global provider; its value is None until a provider is set."""
_OPERATION: Final = "gen_ai.operation.name"
_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "chat": ("openinference.span.kind", "LLM"),
    "text_completion": ("openinference.span.kind", "LLM"),
    "execute_tool": ("openinference.span.kind", "TOOL"),
    "invoke_agent": ("openinference.span.kind", "AGENT"),
    "retrieval": ("openinference.span.kind", "RETRIEVER"),
    "embeddings": ("openinference.span.kind", "EMBEDDING"),
}
"""Operation of the GenAI conventions -> (attribute, value) by which a span of OpenInference has the same operation."""


class OtherInstrumentations:
    """Detection of spans of other instrumentations.

    Args:
        tracer: tracer of this instrumentation.
        scope: name of this instrumentation's scope.
    """

    def __init__(self, tracer: Tracer, scope: str) -> None:
        self._tracer = tracer
        self._scope = scope
        self._lock = threading.Lock()
        self._warned: set[str] = set()
        self._reused: weakref.WeakSet[Span] = weakref.WeakSet()

    def reusable(self, operation: str, context: Context | None) -> Span | None:
        """Return the parent span, if another instrumentation of the same provider has started it for this call."""
        # Not by `get_current_span`, whose check against an abstract class takes longer than everything else here.
        within = get_current() if context is None else context
        around: Any = within.get(SPAN)
        if around is within.get(ENCLOSING) and type(around) is not ReusedSpan:
            return None  # the parent is a span of ours, or there is none
        other = self._other(around)
        if other is None or not self._same_provider(around) or not _has_operation(around, operation):
            return None
        with self._lock:
            if around in self._reused:
                return None  # already reused: this is a second call inside it
            self._reused.add(around)
        self._warn_once(other, operation)
        return around

    def genai_context(self, key: str, context: _Given) -> Context | _Given:
        """Return the context for a util-genai call: without the enclosing call (`key`) if its provider differs."""
        if get_value(key, context) is None:
            return context
        around = get_current_span(context)
        other = self._other(around)
        if other is None:
            return context
        if not self._same_provider(around):
            return set_value(key, None, context)
        self._warn_once(other, _attributes(around).get(_OPERATION, "its calls"))
        return context

    def context_inside(self, key: str, context: Context) -> Context:
        """Return the context inside a util-genai call: without the call (`key`) if the global provider differs."""
        provider = _global_provider()
        theirs = None if provider is None else processor_of_provider(provider)
        return context if theirs is None or theirs is self._processor() else set_value(key, None, context)

    def _other(self, span: Span) -> str | None:
        """Return the scope name of another instrumentation's span; None for our spans and non-recording ones."""
        scope: Any = getattr(span, "instrumentation_scope", None)
        return None if scope is None or scope.name == self._scope else scope.name

    def _same_provider(self, span: Span) -> bool:
        ours = self._processor()
        return ours is not None and getattr(span, "_span_processor", None) is ours

    def _processor(self) -> object | None:
        return processor_of_tracer(self._tracer)

    def _warn_once(self, other: str, operation: object) -> None:
        with self._lock:
            if other in self._warned:
                return
            self._warned.add(other)
        _logger.warning(
            "%s creates spans for the same calls (%s): otel-dspy adds its attributes to them and creates none. "
            "Disable the other instrumentation to get spans of otel-dspy.",
            other,
            operation,
        )


class CoexistingTracer(DelegatingTracer):
    """Starts the spans of another tracer, or reuses an existing one (see `OtherInstrumentations.reusable`)."""

    def __init__(self, tracer: Tracer, others: OtherInstrumentations) -> None:
        super().__init__(tracer)
        self._others = others

    @override
    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        *more: Any,
        **named: Any,
    ) -> Span:
        operation = (attributes or {}).get(_OPERATION)
        around = self._others.reusable(operation, context) if isinstance(operation, str) else None
        if around is not None:
            return ReusedSpan(around, attributes)
        if more or named:
            return self._tracer.start_span(name, context, kind, attributes, *more, **named)
        return self._tracer.start_span(name, context, kind, attributes)  # takes less time without unpacking


class ReusedSpan(Span):
    """Span of another instrumentation. Accepts attributes and events; name, status and end are left to its owner."""

    def __init__(self, span: Span, attributes: Attributes) -> None:
        self._span = span
        span.set_attributes(dict(attributes or {}))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of the SDK's span
        """Return an attribute of the SDK's span that is not part of the API."""
        return getattr(self._span, name)

    @override
    def get_span_context(self) -> SpanContext:
        return self._span.get_span_context()

    @override
    def is_recording(self) -> bool:
        return self._span.is_recording()

    @override
    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self._span.set_attributes(attributes)

    @override
    def set_attribute(self, key: str, value: Any) -> None:
        self._span.set_attribute(key, value)

    @override
    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        self._span.add_event(name, attributes, timestamp)

    @override
    def update_name(self, name: str) -> None:
        pass

    @override
    def set_status(self, status: Any, description: str | None = None) -> None:
        pass

    @override
    def record_exception(self, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        pass

    @override
    def end(self, end_time: int | None = None) -> None:
        pass


def _global_provider() -> object:
    # Without a provider, `get_tracer_provider` reads the environment on every call.
    return getattr(trace, _GLOBAL) if hasattr(trace, _GLOBAL) else trace.get_tracer_provider()


def _has_operation(span: Span, operation: str) -> bool:
    attributes = _attributes(span)
    name, value = _KINDS.get(operation, ("", ""))
    return attributes.get(_OPERATION) == operation or (name != "" and attributes.get(name) == value)


def _attributes(span: Span) -> Mapping[str, AttributeValue]:
    return cast("Mapping[str, AttributeValue]", getattr(span, "attributes", None) or {})
