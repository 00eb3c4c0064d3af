"""Where another instrumentation has a span for the same call already, that one is used: there is one span a call.

Two kinds of others are met. Those that are made with opentelemetry-util-genai are known by what they leave in the
context, and its own rule holds: the call inside tells the one around what it knows. Any other span counts as the same
call's if nothing stands between, and if it says itself that it is of this kind. It is lent: our facts go onto it.

A span that goes elsewhere, to another tracer provider, is none of ours to lean on: both tell then.
"""

from __future__ import annotations

import logging
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from opentelemetry import trace
from opentelemetry.context import get_value, set_value
from opentelemetry.trace import Span, SpanKind, get_current_span
from typing_extensions import override

from otel_dspy.telemetry.deferred.tracer import is_late
from otel_dspy.telemetry.delegating_tracer import DelegatingTracer, innermost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext, Tracer
    from opentelemetry.util.types import Attributes, AttributeValue

_logger = logging.getLogger("otel_dspy")
_Given = TypeVar("_Given", bound="Context | None")

_GLOBAL: Final = "_TRACER_PROVIDER"
"""Where OpenTelemetry keeps its global provider; None while there is none."""
_OPERATION: Final = "gen_ai.operation.name"
_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "chat": ("openinference.span.kind", "LLM"),
    "text_completion": ("openinference.span.kind", "LLM"),
    "execute_tool": ("openinference.span.kind", "TOOL"),
    "invoke_agent": ("openinference.span.kind", "AGENT"),
    "retrieval": ("openinference.span.kind", "RETRIEVER"),
    "embeddings": ("openinference.span.kind", "EMBEDDING"),
}
"""An operation of the GenAI conventions -> how a span of another vocabulary says that it is one."""


class OtherInstrumentations:
    """What one instrumentation of ours knows of the others.

    Args:
        tracer: what our spans are started with.
        scope: the name of our instrumentation scope.
    """

    def __init__(self, tracer: Tracer, scope: str) -> None:
        self._tracer = tracer
        self._scope = scope
        self._lock = threading.Lock()
        self._told: set[str] = set()
        self._lent: weakref.WeakSet[Span] = weakref.WeakSet()

    def lent(self, operation: str, context: Context | None) -> Span | None:
        """The span around, if it is another instrumentation's for this very call and goes where ours go."""
        around = get_current_span(context)
        other = self._other(around)
        if other is None or not self._same_way(around) or not _says(around, operation):
            return None
        with self._lock:
            if around in self._lent:
                return None  # it has had its call: this is a second one in it
            self._lent.add(around)
        self._tell(other, operation)
        return around

    def genai_context(self, key: str, context: _Given) -> Context | _Given:
        """The context for a call of util-genai's: without the call around (`key`), if that goes elsewhere."""
        if get_value(key, context) is None:
            return context
        around = get_current_span(context)
        other = self._other(around)
        if other is None:
            return context
        if not self._same_way(around):
            return set_value(key, None, context)
        self._tell(other, _attributes(around).get(_OPERATION, "its calls"))
        return context

    def context_inside(self, key: str, context: Context) -> Context:
        """The context for what is called in a call of util-genai's: others that go elsewhere tell it themselves."""
        theirs = getattr(_global_provider(), "_active_span_processor", None)
        return context if theirs is None or theirs is self._processor() else set_value(key, None, context)

    def _other(self, span: Span) -> str | None:
        """The scope of a span that is not ours; None of one that is, or that is not recorded."""
        if is_late(span):
            return None
        scope: Any = getattr(span, "instrumentation_scope", None)
        return None if scope is None or scope.name == self._scope else scope.name

    def _same_way(self, span: Span) -> bool:
        ours = self._processor()
        return ours is not None and getattr(span, "_span_processor", None) is ours

    def _processor(self) -> object | None:
        """Where our spans go: tracers of one provider share its processor. None: it is not OpenTelemetry's SDK."""
        return getattr(innermost(self._tracer), "span_processor", None)

    def _tell(self, other: str, operation: object) -> None:
        with self._lock:
            if other in self._told:
                return
            self._told.add(other)
        _logger.warning(
            "%s has spans of its own for the same calls (%s): otel-dspy adds what it knows to them and makes none. "
            "For spans of otel-dspy's own, switch the other off.",
            other,
            operation,
        )


class CoexistingTracer(DelegatingTracer):
    """Starts the spans of another tracer, or gives one that is there already (see `OtherInstrumentations.lent`)."""

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
        around = self._others.lent(operation, context) if isinstance(operation, str) else None
        if around is not None:
            return ReusedSpan(around, attributes)
        return self._tracer.start_span(name, context, kind, attributes, *more, **named)


class ReusedSpan(Span):
    """Another's span, which takes attributes and events; its name, its status and its end are its owner's."""

    def __init__(self, span: Span, attributes: Attributes) -> None:
        self._span = span
        span.set_attributes(dict(attributes or {}))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the SDK's span has
        """What spans of the SDK have beside the interface."""
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
    # Asked for it while there is none, OpenTelemetry looks into the environment each time.
    return getattr(trace, _GLOBAL) if hasattr(trace, _GLOBAL) else trace.get_tracer_provider()


def _says(span: Span, operation: str) -> bool:
    attributes = _attributes(span)
    name, value = _KINDS.get(operation, ("", ""))
    return attributes.get(_OPERATION) == operation or (name != "" and attributes.get(name) == value)


def _attributes(span: Span) -> Mapping[str, AttributeValue]:
    return cast("Mapping[str, AttributeValue]", getattr(span, "attributes", None) or {})
