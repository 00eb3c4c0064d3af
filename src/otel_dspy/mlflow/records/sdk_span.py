"""Conversion of the SDK's ended spans to neutral ones, whose texts every tracking store accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from opentelemetry.trace import StatusCode, format_span_id, format_trace_id

from otel_dspy.mlflow.records.span import SpanLink, SpanRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

    from otel_dspy.mlflow.records.span import Attributes


def span_record(span: ReadableSpan) -> SpanRecord:
    """Return the neutral form of an ended span.

    Raises:
        ValueError: the span has no context or has not ended.
    """
    context = span.get_span_context()
    if context is None or span.start_time is None or span.end_time is None:
        message = f"span {span.name!r} has not ended"
        raise ValueError(message)
    error = span.status.status_code is StatusCode.ERROR
    return SpanRecord(
        trace_id=format_trace_id(context.trace_id),
        span_id=format_span_id(context.span_id),
        parent_id=format_span_id(span.parent.span_id) if span.parent else None,
        name=storable(span.name),
        kind=span.kind.name,
        start_ns=span.start_time,
        end_ns=span.end_time,
        attributes=_plain(span.attributes),
        error=error,
        message=storable(span.status.description) if error and span.status.description is not None else None,
        links=tuple(
            SpanLink(format_trace_id(link.context.trace_id), format_span_id(link.context.span_id))
            for link in span.links
        ),
        resource=_resource(span.resource),
        scope=span.instrumentation_scope.name if span.instrumentation_scope else "",
    )


_resources: dict[int, tuple[Resource, Attributes]] = {}
"""Decoded resources by their ids: all spans of a provider share one."""
_RESOURCES: Final = 16
_NUL: Final = "\x00"


def _resource(resource: Resource) -> Attributes:
    known = _resources.get(id(resource))
    if known is None:
        if len(_resources) >= _RESOURCES:
            _resources.clear()
        known = _resources[id(resource)] = resource, _plain(resource.attributes)
    return known[1]


def storable(text: str) -> str:
    """Return the text without NUL: PostgreSQL does not accept it and would reject the whole request."""
    return text.replace(_NUL, "")


def _plain(attributes: Mapping[str, object] | None) -> Attributes:
    # The API's type also allows maps and bytes; the contract does not, and the readers below check types.
    if not attributes:
        return {}
    # The SDK's mappings return a copy at once, and a value by a function call; most values are texts.
    copy: Callable[[], Mapping[str, object]] | None = getattr(attributes, "copy", None)
    given = attributes if copy is None else copy()
    plain = {name: value.replace(_NUL, "") if type(value) is str else _storable(value) for name, value in given.items()}
    return cast("Attributes", plain)


def _storable(value: object) -> object:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, tuple):
        return tuple(_storable(item) for item in cast("tuple[object, ...]", value))
    return value
