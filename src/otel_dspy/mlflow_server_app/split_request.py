"""Splits an OTLP request into the spans that otel-dspy writes and those that MLflow's own ingest takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_dspy import semconv as sc
from otel_dspy.bridge.decompression import UnreadableError, decompressed
from otel_dspy.otlp_requests.json_spans import with_protobuf_ids
from otel_dspy.otlp_requests.protobuf_spans import MalformedError, parsed_request
from otel_dspy.span_format import SCOPE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

_MARKS: Final = (SCOPE_NAME.encode(), sc.DSPY_OPERATION_NAME.encode())
"""A body without either has no span of otel-dspy, and is not parsed."""


@dataclass(frozen=True, slots=True)
class SplitRequest:
    """The two parts of a request. At most one is empty.

    Attributes:
        ours: encoded request with the spans of all traces that have a span of otel-dspy in it.
        others: encoded request with the rest; None if there is none.
    """

    ours: bytes
    others: bytes | None


def split(body: bytes, encoding: str, limit: int, *, as_json: bool) -> SplitRequest | None:
    """Split a request.

    Args:
        body: the body as received.
        encoding: the `Content-Encoding`.
        limit: maximum size of the decompressed body in bytes.
        as_json: whether the body is JSON instead of protobuf.

    Returns:
        The parts, in protobuf; None if the request has no span of otel-dspy or cannot be parsed: all of it is then for
        MLflow's own ingest, which answers what is wrong with it.

    Raises:
        TooLargeError: the decompressed body exceeds `limit`, or it has too many parts.
    """
    try:
        content = decompressed(body, encoding, limit)
        if not any(mark in content for mark in _MARKS):
            return None
        request = _request_in_json(content) if as_json else parsed_request(content)
    except (MalformedError, UnreadableError):
        return None
    traces = {
        span.trace_id
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
        if scope.scope.name == SCOPE_NAME or any(entry.key == sc.DSPY_OPERATION_NAME for entry in span.attributes)
    }
    if not traces:
        return None
    others = kept(request, lambda span: span.trace_id not in traces)
    if others is None:
        return SplitRequest(request.SerializeToString() if as_json else content, None)
    return SplitRequest(kept(request, lambda span: span.trace_id in traces) or b"", others)


def chosen(body: bytes, spans: frozenset[tuple[str, str]]) -> bytes | None:
    """Return a request with these spans of another one; None if it has none of them.

    Args:
        body: an encoded request that can be parsed.
        spans: trace ids and span ids, hexadecimal.
    """
    return kept(parsed_request(body), lambda span: (span.trace_id.hex(), span.span_id.hex()) in spans)


def joined(*parts: bytes | None) -> bytes:
    """Return one request with the spans of several; an encoded message is concatenated by its repeated fields."""
    return b"".join(part for part in parts if part)


def kept(request: ExportTraceServiceRequest, keep: Callable[[Span], bool]) -> bytes | None:
    """Return the encoded request with those spans only; None if there are none.

    Args:
        request: the request, which is not changed.
        keep: returns whether a span is kept.
    """
    found = ExportTraceServiceRequest()
    for group in request.resource_spans:
        spans = [[span for span in scope.spans if keep(span)] for scope in group.scope_spans]
        if not any(spans):
            continue
        target = found.resource_spans.add(schema_url=group.schema_url)
        target.resource.CopyFrom(group.resource)
        for scope, some in zip(group.scope_spans, spans, strict=True):
            if some:
                target.scope_spans.add(scope=scope.scope, schema_url=scope.schema_url, spans=some)
    return found.SerializeToString() if found.resource_spans else None


def _request_in_json(content: bytes) -> ExportTraceServiceRequest:
    """Parse a request in JSON.

    Raises:
        MalformedError: the body, or any span of it, is invalid.
    """
    try:
        request: dict[str, Any] = json.loads(content)
        for group in request.get("resourceSpans", ()):
            for scope in group.get("scopeSpans", ()):
                scope["spans"] = [with_protobuf_ids(span) for span in scope.get("spans", ())]
        return json_format.ParseDict(request, ExportTraceServiceRequest(), ignore_unknown_fields=True)
    except (AttributeError, TypeError, ValueError, RecursionError, json_format.ParseError) as error:
        raise MalformedError("the body is not a valid JSON ExportTraceServiceRequest") from error
