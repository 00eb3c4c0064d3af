"""OTLP requests to neutral spans: protobuf and JSON, each span judged by itself.

A request that cannot be read is malformed as a whole; a span in it that cannot be used is refused alone, with a reason.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, cast

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import SpanFlags, Status

from otel_dspy.bridge import wire
from otel_dspy.bridge.decompression import TooLargeError
from otel_dspy.mlflow.records.decode import storable
from otel_dspy.mlflow.records.span_records import SpanLink, SpanRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from otel_dspy.mlflow.records.span_records import Attributes, AttributeValue

MAX_PARTS: Final = 100_000
"""Spans, scopes and resources in a request. A few kilobytes, zipped, could hold millions of empty ones."""
MAX_NESTING: Final = 16
"""Levels of lists and maps in one attribute. Protobuf itself stops at 100, where a request counts as malformed."""
TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8
_KINDS: Final = ("INTERNAL", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
"""By number; what is not said counts as INTERNAL."""
_REMOTE: Final = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK | SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK


class MalformedError(ValueError):
    """A request that is no `ExportTraceServiceRequest`."""


class BadSpanError(ValueError):
    """A span that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as it came.

    Attributes:
        span: the span.
        local_root: it has no parent in its own process.
    """

    span: SpanRecord
    local_root: bool


@dataclass(slots=True)
class Received:
    """What a request holds.

    Attributes:
        spans: those that can be used.
        refused: why each of the others cannot.
    """

    spans: list[ReceivedSpan] = field(default_factory=list[ReceivedSpan])
    refused: list[str] = field(default_factory=list[str])


def from_protobuf(body: bytes) -> Received:
    """Read a request in protobuf.

    Raises:
        MalformedError: it is none.
    """
    return all_of(spans_in_protobuf(body))


def all_of(spans: Iterable[ReceivedSpan | BadSpanError]) -> Received:
    """What a request holds, by its spans."""
    found = Received()
    for span in spans:
        if isinstance(span, BadSpanError):
            found.refused.append(str(span))
        else:
            found.spans.append(span)
    return found


def spans_in_protobuf(body: bytes) -> Iterator[ReceivedSpan | BadSpanError]:
    """The spans of a request, one at a time: all of them take about ten times what the body does.

    Raises:
        MalformedError: the body is no request in protobuf.
        TooLargeError: it has more than `MAX_PARTS`.
    """
    # Counted before it is read: reading makes all of them at once, and holds the interpreter's lock meanwhile.
    bounded(sum(1 for _ in islice(wire.parts(body, 0, len(body)), MAX_PARTS + 1)))
    for group in _request(body).resource_spans:
        resource = resource_attributes(group.resource)
        for scope in group.scope_spans:
            for span in scope.spans:
                yield taken(span, resource, scope.scope.name)


def _request(body: bytes) -> ExportTraceServiceRequest:
    try:
        return ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        # One text that is no UTF-8, in whichever span, costs protobuf the whole.
        mended = wire.with_texts_in_utf8(body, ExportTraceServiceRequest.DESCRIPTOR)
    try:
        return ExportTraceServiceRequest.FromString(mended)
    except DecodeError as error:
        raise MalformedError("the body is no ExportTraceServiceRequest in protobuf") from error


def bounded(count: int) -> int:
    """The count of parts.

    Raises:
        TooLargeError: it is more than `MAX_PARTS`.
    """
    if count > MAX_PARTS:
        raise TooLargeError(f"it has more than {MAX_PARTS} spans, scopes and resources")
    return count


def taken(span: Span, resource: Attributes, scope: str) -> ReceivedSpan | BadSpanError:
    """The span as it is used, or why it is not."""
    try:
        return _received(span, resource, scope)
    except BadSpanError as error:
        return error


def _received(span: Span, resource: Attributes, scope: str) -> ReceivedSpan:
    trace_id = _identifier(span.trace_id, TRACE_ID_BYTES, "trace id")
    span_id = _identifier(span.span_id, SPAN_ID_BYTES, "span id")
    parent_id = _identifier(span.parent_span_id, SPAN_ID_BYTES, "parent id") if span.parent_span_id else None
    if not 0 < span.start_time_unix_nano < 2**63 or not 0 < span.end_time_unix_nano < 2**63:
        raise BadSpanError("no start or end time")
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
    )


def _identifier(value: bytes, length: int, what: str) -> str:
    if len(value) != length or not any(value):
        raise BadSpanError(f"{what} is not {length} bytes, or zero")
    return value.hex()


def resource_attributes(resource: Resource) -> Attributes:
    """Attributes of a resource; one that is nested too deeply is left out."""
    found: dict[str, AttributeValue] = {}
    for entry in resource.attributes:
        try:
            found[storable(entry.key)] = _value(entry.value, 0)
        except BadSpanError:
            # What a resource says too deeply is no reason to lose its spans.
            continue
    return found


def _attributes(entries: Iterable[KeyValue]) -> Attributes:
    return {storable(entry.key): _value(entry.value, 0) for entry in entries if entry.value.WhichOneof("value")}


def _value(value: AnyValue, depth: int) -> AttributeValue:
    """An attribute's value. The contract has texts, numbers, flags and lists of them; anything else becomes JSON."""
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
