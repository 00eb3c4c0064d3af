"""Parser for OTLP requests in protobuf; validates each span on its own.

A request that cannot be parsed is malformed as a whole. An invalid span is rejected alone, with a reason.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, cast

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import SpanFlags, Status

from otel_dspy.mlflow.records.sdk_span import storable
from otel_dspy.mlflow.records.span import SpanLink, SpanRecord
from otel_dspy.otlp_requests import protobuf_wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from otel_dspy.mlflow.records.span import Attributes, AttributeValue

MAX_PARTS: Final = 100_000
"""Maximum number of spans, scopes and resources in a request. A few compressed kilobytes can hold millions of them."""
MAX_NESTING: Final = 16
"""Maximum nesting of lists and maps in an attribute. Protobuf's own limit is 100; beyond it a request is malformed."""
TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8
_KINDS: Final = ("INTERNAL", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
"""Span kinds by number; unspecified counts as INTERNAL."""
_SCALARS: Final = frozenset({"int_value", "double_value", "bool_value"})
"""Kinds of values that are kept as they are."""
_REMOTE: Final = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK | SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK


class MalformedError(ValueError):
    """The request is not a valid `ExportTraceServiceRequest`."""


class TooLargeError(ValueError):
    """The request exceeds a size limit."""


class BadSpanError(ValueError):
    """The span is invalid; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A received span.

    Attributes:
        span: the span.
        local_root: whether the span has no parent in its own process.
        dropped_attributes: number of attributes that the program's tracer provider dropped.
    """

    span: SpanRecord
    local_root: bool
    dropped_attributes: int = 0


def spans_in_protobuf(body: bytes) -> Iterator[ReceivedSpan | BadSpanError]:
    """Yield the spans of a request one at a time: all of them take about ten times the memory of the body.

    Raises:
        MalformedError: the body is not a valid `ExportTraceServiceRequest`.
        TooLargeError: the request has more than `MAX_PARTS` parts.
    """
    for group in parsed_request(body).resource_spans:
        resource = resource_attributes(group.resource)
        for scope in group.scope_spans:
            for span in scope.spans:
                yield converted(span, resource, scope.scope.name)


def parsed_request(body: bytes) -> ExportTraceServiceRequest:
    """Parse a request. In texts that are not UTF-8, question marks replace the invalid bytes.

    Raises:
        MalformedError: the body is not a valid `ExportTraceServiceRequest`.
        TooLargeError: the request has more than `MAX_PARTS` parts.
    """
    # Counted before parsing: protobuf creates all messages at once and holds the GIL meanwhile.
    bounded(sum(1 for _ in islice(protobuf_wire.parts(body, 0, len(body)), MAX_PARTS + 1)))
    try:
        return ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        # Protobuf rejects the whole request for one text that is not UTF-8.
        replaced = protobuf_wire.with_texts_in_utf8(body, ExportTraceServiceRequest.DESCRIPTOR)
    try:
        return ExportTraceServiceRequest.FromString(replaced)
    except DecodeError as error:
        raise MalformedError("the body is not a valid protobuf ExportTraceServiceRequest") from error


def bounded(count: int) -> int:
    """Return `count` if it is within the limit.

    Raises:
        TooLargeError: `count` exceeds `MAX_PARTS`.
    """
    if count > MAX_PARTS:
        raise TooLargeError(f"the request has more than {MAX_PARTS} spans, scopes and resources")
    return count


def converted(span: Span, resource: Attributes, scope: str) -> ReceivedSpan | BadSpanError:
    """Convert a span; return a `BadSpanError` if it is invalid.

    Args:
        span: the protobuf message.
        resource: attributes of its resource.
        scope: name of its instrumentation scope.
    """
    try:
        return _received(span, resource, scope)
    except BadSpanError as error:
        return error


def _received(span: Span, resource: Attributes, scope: str) -> ReceivedSpan:
    trace_id = _identifier(span.trace_id, TRACE_ID_BYTES, "trace id")
    span_id = _identifier(span.span_id, SPAN_ID_BYTES, "span id")
    parent_id = _identifier(span.parent_span_id, SPAN_ID_BYTES, "parent id") if span.parent_span_id else None
    if not 0 < span.start_time_unix_nano < 2**63 or not 0 < span.end_time_unix_nano < 2**63:
        raise BadSpanError("start or end time is missing or out of range")
    error = span.status.code == Status.STATUS_CODE_ERROR
    return ReceivedSpan(
        SpanRecord(
            trace_id=trace_id,
            span_id=span_id,
            parent_id=parent_id,
            name=storable(span.name),
            kind=_KINDS[span.kind] if 0 <= span.kind < len(_KINDS) else "INTERNAL",
            start_ns=span.start_time_unix_nano,
            end_ns=span.end_time_unix_nano,
            attributes=_attributes(span.attributes),
            error=error,
            message=(storable(span.status.message) or None) if error else None,
            links=tuple(
                SpanLink(
                    _identifier(link.trace_id, TRACE_ID_BYTES, "link's trace id"),
                    _identifier(link.span_id, SPAN_ID_BYTES, "link's span id"),
                )
                for link in span.links
            ),
            resource=resource,
            scope=scope,
        ),
        local_root=parent_id is None or span.flags & _REMOTE == _REMOTE,
        dropped_attributes=span.dropped_attributes_count,
    )


def _identifier(value: bytes, length: int, what: str) -> str:
    if len(value) != length or not any(value):
        raise BadSpanError(f"{what} is not {length} bytes long or is all zeros")
    return value.hex()


def resource_attributes(resource: Resource) -> Attributes:
    """Return the attributes of a resource, without those that are nested too deeply."""
    found: dict[str, AttributeValue] = {}
    for entry in resource.attributes:
        try:
            found[storable(entry.key)] = _value(entry.value, 0)
        except BadSpanError:
            # One invalid resource attribute does not invalidate the spans of the resource.
            continue
    return found


def _attributes(entries: Iterable[KeyValue]) -> Attributes:
    found: dict[str, AttributeValue] = {}
    for entry in entries:
        value = entry.value
        # Read once: nearly all values are texts or numbers, and a request is parsed twice.
        kind = value.WhichOneof("value")
        if kind == "string_value":
            found[storable(entry.key)] = storable(value.string_value)
        elif kind in _SCALARS:
            found[storable(entry.key)] = getattr(value, kind)
        elif kind is not None:
            found[storable(entry.key)] = _value(value, 0)
    return found


def _value(value: AnyValue, depth: int) -> AttributeValue:
    """Convert an attribute value. Anything but texts, numbers, booleans and lists of one type becomes JSON."""
    plain = _plain(value, depth)
    if isinstance(plain, list):
        items = cast("list[object]", plain)
        kinds: set[type[object]] = {type(item) for item in items}
        if len(kinds) <= 1 and kinds <= {str, bool, int, float}:
            return cast("AttributeValue", tuple(items))
    if isinstance(plain, str | bool | int | float):
        return plain
    return json.dumps(plain, ensure_ascii=False)


def _plain(value: AnyValue, depth: int) -> object:
    if depth > MAX_NESTING:
        raise BadSpanError(f"an attribute is nested deeper than {MAX_NESTING} levels")
    kind = value.WhichOneof("value")
    match kind:
        case "string_value":
            return storable(value.string_value)
        case "array_value":
            return [_plain(item, depth + 1) for item in value.array_value.values]
        case "kvlist_value":
            return {storable(entry.key): _plain(entry.value, depth + 1) for entry in value.kvlist_value.values}
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode("ascii")
        case None:
            return None
        case _:
            return getattr(value, kind)
