"""Serialization of spans and their routes as lines of OTLP JSON, and the parser.

One line is one `ExportTraceServiceRequest` with one span, in the format of the OpenTelemetry Collector's file exporter
(https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: ids in hex, 64-bit integers as strings). Hand-written
for one message shape: protobuf's own JSON writes ids as base64 and takes about ten times as long.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.mlflow.delivery.route_attributes import CONTEXT, TRACKING_URI, parsed_route, route_attributes
from otel_dspy.mlflow.delivery.spool_folder import OURS
from otel_dspy.mlflow.records.span import SpanLink, SpanRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.mlflow.records.route import Route
    from otel_dspy.mlflow.records.span import Attributes, AttributeValue

END: Final = f"{OURS}end"
"""On a line without spans: the process closed the file; later spans are in other files."""

_KINDS: Final = ("INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_ERROR: Final = 2
_compact: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""`json.dumps` creates an encoder for each text."""
_NOT_FINITE: Final = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}


def span_line(span: SpanRecord, route: Route) -> str:
    """Serialize a span and its route as one line, without a line feed."""
    # All spans of a provider share a resource and those of a trace share a route, so half of the line is cached.
    key = id(span.resource), route
    known = _resources.get(key)
    if known is None:
        if len(_resources) >= _MAX_RESOURCES:
            _resources.clear()
        known = _resources[key] = span.resource, _resource_text({**span.resource, **route_attributes(route)})
    return _line(known[1], [{"scope": {"name": span.scope}, "spans": [_span(span)]}])


_resources: dict[tuple[int, Route], tuple[Attributes, str]] = {}
"""The resource is kept as well, so that its id is not reused."""
_MAX_RESOURCES: Final = 512


def end_line() -> str:
    """Return the end marker, written when a file is closed."""
    return _line(_resource_text({END: True}), [])


def _line(resource: str, scopes: list[dict[str, Any]]) -> str:
    return f'{{"resourceSpans":[{{{resource},"scopeSpans":{_compact(scopes)}}}]}}'


def _resource_text(resource: Attributes) -> str:
    return f'"resource":{_compact({"attributes": _attributes(resource)})}'


def _span(span: SpanRecord) -> dict[str, Any]:
    found: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": _KINDS.index(span.kind) + 1 if span.kind in _KINDS else 0,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes),
    }
    if span.parent_id:
        found["parentSpanId"] = span.parent_id
    if span.links:
        found["links"] = [{"traceId": link.trace_id, "spanId": link.span_id} for link in span.links]
    if span.error:
        found["status"] = {"code": _ERROR} | ({"message": span.message} if span.message else {})
    return found


def _attributes(values: Attributes) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in values.items()]


def _value(value: object) -> dict[str, Any]:
    match value:
        case str():
            return {"stringValue": value}
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value if math.isfinite(value) else _NOT_FINITE[str(value)]}
        case Sequence():
            return {"arrayValue": {"values": [_value(item) for item in cast("Sequence[object]", value)]}}
        case _:
            return {"stringValue": str(value)}


class DamagedLineError(ValueError):
    """The line was not written by `span_line` or `end_line`, or is incomplete."""


def parse_line(line: str | bytes) -> tuple[SpanRecord, Route] | None:
    """Parse a line into a span and its route; None for the end marker.

    Raises:
        DamagedLineError: the line is not a spool line or was cut off; the message contains the reason.
    """
    try:
        request: Any = json.loads(line)
    except (RecursionError, ValueError) as error:
        raise DamagedLineError(f"invalid JSON ({error}); the line may be cut off") from error
    try:
        (resource_spans,) = request["resourceSpans"]
        resource = _parsed_attributes(resource_spans["resource"]["attributes"])
        if END in resource:
            return None
        (scope_spans,) = resource_spans["scopeSpans"]
        (span,) = scope_spans["spans"]
        if TRACKING_URI not in resource or CONTEXT not in resource:
            raise DamagedLineError("not a line of otel-dspy's spool: it has no route")  # noqa: TRY301 - distinct from the errors below
        own = {name: value for name, value in resource.items() if not name.startswith(OURS)}
        return _parsed_span(span, own, str(scope_spans.get("scope", {}).get("name", ""))), parsed_route(resource)
    except DamagedLineError:
        raise
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise DamagedLineError(f"not a span of otel-dspy's spool ({type(error).__name__}: {error})") from error


def _parsed_span(span: Mapping[str, Any], resource: Attributes, scope: str) -> SpanRecord:
    status = span.get("status", {})
    error = status.get("code") == _ERROR
    kind = int(span.get("kind", 1))
    return SpanRecord(
        trace_id=str(span["traceId"]),
        span_id=str(span["spanId"]),
        parent_id=span.get("parentSpanId") or None,
        name=str(span["name"]),
        kind=_KINDS[kind - 1] if 1 <= kind <= len(_KINDS) else "INTERNAL",
        start_ns=int(span["startTimeUnixNano"]),
        end_ns=int(span["endTimeUnixNano"]),
        attributes=_parsed_attributes(span.get("attributes", [])),
        error=error,
        message=status.get("message") if error else None,
        links=tuple(SpanLink(str(link["traceId"]), str(link["spanId"])) for link in span.get("links", ())),
        resource=resource,
        scope=scope,
    )


def _parsed_attributes(entries: Sequence[Mapping[str, Any]]) -> Attributes:
    return {str(entry["key"]): _parsed_value(entry["value"]) for entry in entries}


def _parsed_value(value: Mapping[str, Any]) -> AttributeValue:
    ((kind, content),) = value.items()
    match kind:
        case "stringValue":
            return str(content)
        case "boolValue":
            return bool(content)
        case "intValue":
            return int(content)
        case "doubleValue":
            return float(content)
        case "arrayValue":
            return cast("AttributeValue", tuple(_parsed_value(item) for item in content.get("values", ())))
        case _:
            raise DamagedLineError(f"unknown value type {kind!r}")
