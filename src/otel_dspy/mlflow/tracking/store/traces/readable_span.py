"""OpenTelemetry's span of a span that is logged to MLflow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.mlflow.mapping.trace_operations import LogSpan
    from otel_dspy.mlflow.records.span import Attributes

_resources: dict[int, tuple[Attributes, Resource]] = {}
"""Resources by the ids of their attributes: spans of a provider, or of a request, share one."""
_RESOURCES: Final = 16


def readable_span(logged: LogSpan, attributes: Mapping[str, str]) -> ReadableSpan:
    """Return the span.

    Args:
        logged: the span.
        attributes: its attributes as JSON texts.
    """
    span = logged.span
    return ReadableSpan(
        name=span.name,
        context=_context(logged.trace_id, span.span_id),
        parent=_context(logged.trace_id, logged.parent_id) if logged.parent_id else None,
        start_time=span.start_ns,
        end_time=span.end_ns,
        attributes=attributes,
        events=[Event(event.name, json.loads(event.attributes), event.time_ns) for event in logged.events],
        status=Status(StatusCode.ERROR, span.message) if span.error else Status(StatusCode.OK),
        links=[Link(_context(link.trace_id, link.span_id)) for link in span.links],
        resource=_resource(span.resource),
    )


def _resource(attributes: Attributes) -> Resource:
    known = _resources.get(id(attributes))
    if known is None or known[0] is not attributes:
        if len(_resources) >= _RESOURCES:
            _resources.clear()
        known = _resources[id(attributes)] = attributes, Resource(attributes)
    return known[1]


def _context(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(1))
