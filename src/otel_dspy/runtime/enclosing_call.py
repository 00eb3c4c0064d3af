"""The span of the innermost enclosing DSPy call, in OpenTelemetry's context beside the current span.

A span of the application or of another library inside a call becomes the current one. If it belongs to another tracer
provider, a consumer of otel-dspy's spans does not receive it and cannot follow it to the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context, create_key, get_current

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext

ENCLOSING: Final = create_key("otel_dspy.enclosing_call")
"""Context key of the span."""


def within_call(span: Span, context: Context) -> Context:
    """Return the context, whose current span is this one of a call, with the call as the enclosing one."""
    return Context({**context, ENCLOSING: span})


def current_call() -> Span | None:
    """Return the span of the innermost call around the caller; None outside calls."""
    span: Any = get_current().get(ENCLOSING)
    return span


def innermost_call(context: Context | None) -> SpanContext | None:
    """Return the span of the innermost enclosing call, whatever its trace; None outside calls.

    Args:
        context: context of a span that starts; None = the current one.
    """
    span: Any = (get_current() if context is None else context).get(ENCLOSING)
    return None if span is None else span.get_span_context()


def enclosing_call(parent: SpanContext | None, context: Context | None) -> SpanContext | None:
    """Return the span of the innermost enclosing call, if it is of the same trace; None otherwise.

    Args:
        parent: parent of a span that starts.
        context: the context it starts in; None = the current one.
    """
    found = innermost_call(context)
    return found if found is not None and parent is not None and found.trace_id == parent.trace_id else None
