"""OTLP requests in JSON to neutral spans. What cannot be read costs the span, scope or resource that it is in.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: ids are hex.
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

from otel_dspy.bridge.otlp import BadSpanError, MalformedError, all_of, bounded, resource_attributes, taken

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otel_dspy.bridge.otlp import Received, ReceivedSpan

LONGEST_NUMBER: Final = 20
"""Characters of a whole number in JSON; those of 64 bits have no more."""
_IDS: Final = ("traceId", "spanId", "parentSpanId")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})*")
_UNREADABLE: Final = (
    AttributeError,
    TypeError,
    ValueError,
    RecursionError,
    json_format.ParseError,
    SystemError,  # of protobuf itself: a field's or an enumeration's name that is no text in UTF-8
)
"""What reading JSON as protobuf may raise."""
M = TypeVar("M", bound=Message)


def from_json(body: bytes) -> Received:
    """Read a request in JSON.

    Raises:
        MalformedError: it is none.
    """
    return all_of(spans_in_json(body))


def spans_in_json(body: bytes) -> Iterator[ReceivedSpan | BadSpanError]:
    """The spans of a request, one at a time.

    Raises:
        MalformedError: the body is no request in JSON; what came before may have been good.
        TooLargeError: it has more than `MAX_PARTS`; likewise.
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
                broken = "spans is no list"
                yield BadSpanError(broken)
                continue
            for given in cast("Sequence[object]", spans):
                count = bounded(count + 1)
                any_span = True
                span = _span_of_json(given)
                yield span if isinstance(span, BadSpanError) else taken(span, resource, name)
    if broken and not any_span:
        raise MalformedError(f"the body is no ExportTraceServiceRequest in JSON ({broken})")


def _loaded(body: bytes) -> dict[str, Any]:
    """The request as JSON has it. Bytes that are no UTF-8 and numbers without end cost the text or span they are in."""
    try:
        request: object = json.loads(body.decode("utf-8-sig", "replace"), parse_int=_int)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"the body is no ExportTraceServiceRequest in JSON ({type(error).__name__})") from error
    if not isinstance(request, dict):
        raise MalformedError("the body is no ExportTraceServiceRequest in JSON (no object)")
    return cast("dict[str, Any]", request)


def _int(digits: str) -> int | str:
    return int(digits) if len(digits) <= LONGEST_NUMBER else digits


def _members(holder: Mapping[str, Any], name: str) -> Iterator[dict[str, Any] | BadSpanError]:
    """The objects of a list; what is none of them costs itself alone."""
    given: object = holder.get(name)
    if not isinstance(given, list | NoneType):
        yield BadSpanError(f"{name} is no list")
        return
    for member in cast("Sequence[object]", given or ()):
        if isinstance(member, dict):
            yield cast("dict[str, Any]", member)
        else:
            yield BadSpanError(f"a member of {name} is no object")


def _resource_of_json(given: object) -> Resource:
    """A resource; an attribute of it that cannot be read is left out."""
    attributes = cast("dict[str, object]", given).get("attributes") if isinstance(given, dict) else None
    found = Resource()
    for entry in cast("list[object]", attributes) if isinstance(attributes, list) else ():
        read = _parsed(entry, KeyValue())
        if read is not None:
            found.attributes.append(read)
    return found


def _scope_of_json(given: object) -> str:
    """A scope's name; empty where it cannot be read."""
    name = cast("dict[str, object]", given).get("name") if isinstance(given, dict) else None
    read = _parsed({"name": name}, InstrumentationScope())
    return read.name if read is not None else ""


def _parsed(given: object, message: M) -> M | None:
    """The message that JSON describes; None where it does not."""
    try:
        return json_format.ParseDict(cast("dict[str, Any]", given), message, ignore_unknown_fields=True)
    except _UNREADABLE:
        return None


def _span_of_json(given: Any) -> Span | BadSpanError:  # noqa: ANN401 - whatever JSON holds
    try:
        return json_format.ParseDict(_with_protobuf_ids(given), Span(), ignore_unknown_fields=True)
    except _UNREADABLE as error:
        return BadSpanError(f"not a span: {type(error).__name__}")


def _with_protobuf_ids(given: Mapping[str, Any]) -> dict[str, Any]:
    """The span with its ids as protobuf's JSON has them: base64."""
    span = _encoded_ids(given)
    if "links" in span:
        span["links"] = [_encoded_ids(link) for link in span["links"]]
    return span


def _encoded_ids(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _base64(value) if name in _IDS else value for name, value in given.items()}


def _base64(identifier: object) -> str:
    if not isinstance(identifier, str) or not _HEX.fullmatch(identifier):
        raise BadSpanError("an id is no hex")
    return base64.b64encode(bytes.fromhex(identifier)).decode("ascii")
