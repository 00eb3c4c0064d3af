"""Parser for OTLP requests in JSON. An invalid value invalidates only the span, scope or resource that contains it.

Ids are hexadecimal: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import base64
import json
import re
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_dspy.otlp_requests.protobuf_spans import BadSpanError, MalformedError, bounded, converted, resource_attributes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otel_dspy.otlp_requests.protobuf_spans import ReceivedSpan

LONGEST_NUMBER: Final = 20
"""Maximum number of characters of an integer in JSON; 64-bit integers have no more."""
_IDS: Final = ("traceId", "spanId", "parentSpanId")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})*")
_UNREADABLE: Final = (
    AttributeError,
    TypeError,
    ValueError,
    RecursionError,
    json_format.ParseError,
    SystemError,  # raised by protobuf for a field or enum name that is not UTF-8
)
"""Exceptions that parsing JSON as protobuf may raise."""
M = TypeVar("M", bound=Message)


def spans_in_json(body: bytes) -> Iterator[ReceivedSpan | BadSpanError]:
    """Yield the spans of a request one at a time.

    Raises:
        MalformedError: the body is not a valid `ExportTraceServiceRequest`; spans yielded before may be valid.
        TooLargeError: the request has more than `MAX_PARTS` parts; spans yielded before may be valid.
    """
    count, any_span, broken = 0, False, ""
    for group in _members(_loaded(body), "resourceSpans"):
        count = bounded(count + 1)
        if isinstance(group, BadSpanError):
            broken = str(group)
            yield group
            continue
        resource = resource_attributes(_resource_of_json(group.get("resource")))
        for scope in _members(group, "scopeSpans"):
            count = bounded(count + 1)
            if isinstance(scope, BadSpanError):
                broken = str(scope)
                yield scope
                continue
            name = _scope_of_json(scope.get("scope"))
            spans: Any = scope.get("spans") or ()
            if not isinstance(spans, list | tuple):
                broken = "spans is not a list"
                yield BadSpanError(broken)
                continue
            for given in cast("Sequence[object]", spans):
                count = bounded(count + 1)
                any_span = True
                span = _span_of_json(given)
                yield span if isinstance(span, BadSpanError) else converted(span, resource, name)
    if broken and not any_span:
        raise MalformedError(f"the body is not a valid JSON ExportTraceServiceRequest ({broken})")


def _loaded(body: bytes) -> dict[str, Any]:
    """Load a request as JSON. Invalid UTF-8 and overlong numbers affect only the text or span that contains them.

    Raises:
        MalformedError: the body is not a JSON object.
    """
    try:
        request: object = json.loads(body.decode("utf-8-sig", "replace"), parse_int=_int)
    except (ValueError, RecursionError) as error:
        reason = type(error).__name__
        raise MalformedError(f"the body is not a valid JSON ExportTraceServiceRequest ({reason})") from error
    if not isinstance(request, dict):
        raise MalformedError("the body is not a valid JSON ExportTraceServiceRequest (not an object)")
    return cast("dict[str, Any]", request)


def _int(digits: str) -> int | str:
    return int(digits) if len(digits) <= LONGEST_NUMBER else digits


def _members(holder: Mapping[str, Any], name: str) -> Iterator[dict[str, Any] | BadSpanError]:
    """Yield the objects of a list, and a `BadSpanError` for each member that is not an object."""
    given: object = holder.get(name)
    if not isinstance(given, list | NoneType):
        yield BadSpanError(f"{name} is not a list")
        return
    for member in cast("Sequence[object]", given or ()):
        if isinstance(member, dict):
            yield cast("dict[str, Any]", member)
        else:
            yield BadSpanError(f"a member of {name} is not an object")


def _resource_of_json(given: object) -> Resource:
    """Parse a resource, without attributes that cannot be parsed."""
    attributes = cast("dict[str, object]", given).get("attributes") if isinstance(given, dict) else None
    found = Resource()
    for entry in cast("list[object]", attributes) if isinstance(attributes, list) else ():
        read = _parsed(entry, KeyValue())
        if read is not None:
            found.attributes.append(read)
    return found


def _scope_of_json(given: object) -> str:
    """Return the name of a scope; empty if it cannot be parsed."""
    name = cast("dict[str, object]", given).get("name") if isinstance(given, dict) else None
    read = _parsed({"name": name}, InstrumentationScope())
    return read.name if read is not None else ""


def _parsed(given: object, message: M) -> M | None:
    """Parse JSON into `message`; None if it is invalid."""
    try:
        return json_format.ParseDict(cast("dict[str, Any]", given), message, ignore_unknown_fields=True)
    except _UNREADABLE:
        return None


def _span_of_json(given: Any) -> Span | BadSpanError:  # noqa: ANN401 - any JSON value
    try:
        return json_format.ParseDict(with_protobuf_ids(given), Span(), ignore_unknown_fields=True)
    except _UNREADABLE as error:
        return BadSpanError(f"not a span: {type(error).__name__}")


def with_protobuf_ids(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the span with its ids in base64, as protobuf's JSON parser expects."""
    span = _encoded_ids(given)
    if "links" in span:
        span["links"] = [_encoded_ids(link) for link in span["links"]]
    return span


def _encoded_ids(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _base64(value) if name in _IDS else value for name, value in given.items()}


def _base64(identifier: object) -> str:
    if not isinstance(identifier, str) or not _HEX.fullmatch(identifier):
        raise BadSpanError("an id is not hexadecimal")
    return base64.b64encode(bytes.fromhex(identifier)).decode("ascii")
