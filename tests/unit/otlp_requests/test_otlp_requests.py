"""Requests are read as they are, and what cannot be used is refused alone."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from otel_dspy.mlflow.records.span import SpanLink, SpanRecord
from otel_dspy.otlp_requests import protobuf_spans as otlp
from otel_dspy.otlp_requests.protobuf_spans import MAX_NESTING, MalformedError, TooLargeError
from tests.support.parsed_requests import from_json, from_protobuf
from tests.support.traced_memory import peak_memory

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD: dict[str, Any] = {
    "traceId": "0af7651916cd43dd8448eb211c80319c",
    "spanId": "b7ad6b7169203331",
    "parentSpanId": "00f067aa0ba902b7",
    "name": "trial Any",
    "kind": 3,
    "startTimeUnixNano": "1000",
    "endTimeUnixNano": "2000",
    "flags": 0x101,
    "attributes": [
        {"key": "text", "value": {"stringValue": "a\u0000b"}},
        {"key": "number", "value": {"intValue": "7"}},
        {"key": "ratio", "value": {"doubleValue": 0.5}},
        {"key": "flag", "value": {"boolValue": False}},
        {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "x"}, {"stringValue": "y"}]}}},
        {"key": "mixed", "value": {"arrayValue": {"values": [{"stringValue": "x"}, {"intValue": "1"}]}}},
        {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"intValue": "1"}}]}}},
        {"key": "bytes", "value": {"bytesValue": "AAE="}},
        {"key": "nothing", "value": {}},
    ],
    "links": [{"traceId": "1af7651916cd43dd8448eb211c80319c", "spanId": "c7ad6b7169203331"}],
    "status": {"code": 2, "message": "broken"},
    "unknownField": [1],
}


def request(*spans: object) -> dict[str, Any]:
    """A request with these spans."""
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "lib"}, "spans": list(spans)}]}]}


def in_json(*spans: object) -> bytes:
    """The same as a body."""
    return json.dumps(request(*spans)).encode()


def in_protobuf(*spans: Span) -> bytes:
    """Spans in protobuf."""
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])]
    ).SerializeToString()


def test_a_span_of_json_is_read_whole() -> None:
    """Ids stay hex, values keep their types, maps and bytes become text, NUL (which PostgreSQL refuses) goes."""
    (found,) = from_json(in_json(GOOD)).spans
    assert found.span == SpanRecord(
        trace_id="0af7651916cd43dd8448eb211c80319c",
        span_id="b7ad6b7169203331",
        parent_id="00f067aa0ba902b7",
        name="trial Any",
        kind="CLIENT",
        start_ns=1000,
        end_ns=2000,
        attributes={
            "text": "ab",
            "number": 7,
            "ratio": 0.5,
            "flag": False,
            "list": ("x", "y"),
            "mixed": '["x", 1]',
            "map": '{"k": 1}',
            "bytes": "AAE=",
        },
        error=True,
        message="broken",
        links=(SpanLink("1af7651916cd43dd8448eb211c80319c", "c7ad6b7169203331"),),
        resource={"service.name": "s"},
        scope="lib",
    )


@pytest.mark.parametrize(
    ("changes", "local_root"),
    [({"parentSpanId": ""}, True), ({"flags": 0x101}, False), ({"flags": 0x301}, True), ({"flags": 1}, False)],
)
def test_a_root_is_one_without_a_parent_in_its_own_process(changes: dict[str, Any], *, local_root: bool) -> None:
    """No parent, or one that the flags call remote."""
    (found,) = from_json(in_json(GOOD | changes)).spans
    assert found.local_root is local_root


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"traceId": ""}, "trace id is not 16 bytes long or is all zeros"),
        ({"traceId": "00" * 16}, "trace id is not 16 bytes long or is all zeros"),
        ({"spanId": "b7ad"}, "span id is not 8 bytes long or is all zeros"),
        ({"parentSpanId": "b7ad"}, "parent id is not 8 bytes long or is all zeros"),
        ({"spanId": "no hex at all"}, "not a span: BadSpanError"),
        ({"links": [{"traceId": "", "spanId": ""}]}, "link's trace id is not 16 bytes long or is all zeros"),
        (
            {"links": [{"traceId": "1af7651916cd43dd8448eb211c80319c"}]},
            "link's span id is not 8 bytes long or is all zeros",
        ),
        ({"startTimeUnixNano": "0"}, "start or end time is missing or out of range"),
        ({"startTimeUnixNano": "9223372036854775808"}, "start or end time is missing or out of range"),
        ({"endTimeUnixNano": "0"}, "start or end time is missing or out of range"),
        ({"endTimeUnixNano": "9223372036854775808"}, "start or end time is missing or out of range"),
        ({"endTimeUnixNano": "18446744073709551615"}, "start or end time is missing or out of range"),
        ({"endTimeUnixNano": "99999999999999999999999"}, "not a span: ParseError"),
        ({"kind": "NO_SUCH_KIND", "name": 7}, "not a span: ParseError"),
        ({"attributes": 7}, "not a span: ParseError"),
        ({"name": "\ud800"}, "not a span: ParseError"),
        ({"\ud800": 1}, "not a span: SystemError"),
        ({"kind": "\ud800"}, "not a span: SystemError"),
        ({"startTimeUnixNano": None}, "start or end time is missing or out of range"),
    ],
)
def test_a_bad_span_is_refused_alone(changes: dict[str, Any], reason: str) -> None:
    """The span before it and the one after it are read; its own reason describes the error."""
    found = from_json(in_json(GOOD, GOOD | changes, GOOD))
    assert len(found.spans) == 2
    assert found.refused == [reason]


@pytest.mark.parametrize("missing", ["startTimeUnixNano", "endTimeUnixNano", "traceId", "spanId"])
def test_what_every_span_needs_may_not_be_missing(missing: str) -> None:
    """Its times and its ids, in JSON and in protobuf: the span is refused, and the good one beside it is read."""
    given = {name: value for name, value in GOOD.items() if name != missing}
    needed = Span(trace_id=b"1" * 16, span_id=b"1" * 8, start_time_unix_nano=1, end_time_unix_nano=2)
    lacking = Span()
    lacking.CopyFrom(needed)
    untyped: Any = lacking
    untyped.ClearField(re.sub("([A-Z])", r"_\1", missing).lower())
    for found in (from_json(in_json(GOOD, given)), from_protobuf(in_protobuf(needed, lacking))):
        assert (len(found.spans), len(found.refused)) == (1, 1)


@pytest.mark.parametrize("name", ["startTimeUnixNano", "endTimeUnixNano"])
@pytest.mark.parametrize("value", [1, 2**63 - 1])
def test_the_first_and_the_last_time_are_read(name: str, value: int) -> None:
    """A nanosecond after 1970 began, and the last one that MLflow's tables can hold."""
    (found,) = from_json(in_json(GOOD | {name: str(value)})).spans
    assert value in {found.span.start_ns, found.span.end_ns}


def good_beside(*bodies: bytes) -> None:
    """Each body holds one good span, and one thing that is refused."""
    for body in bodies:
        found = from_json(body)
        assert [(item.span.span_id, item.span.scope) for item in found.spans] == [(GOOD["spanId"], "lib")], body
        assert len(found.refused) == 1, body


def test_a_part_of_json_that_is_none_costs_itself_alone() -> None:
    """Whatever stands in a list of resources, scopes or spans: a good span after it is read."""
    (group,) = request(GOOD)["resourceSpans"]
    (scope,) = group["scopeSpans"]
    good_beside(
        json.dumps({"resourceSpans": [7, group]}).encode(),
        json.dumps({"resourceSpans": [{"scopeSpans": 7}, group]}).encode(),
        json.dumps({"resourceSpans": [{"scopeSpans": [None]}, group]}).encode(),
        json.dumps({"resourceSpans": [{"scopeSpans": ["x", scope]}]}).encode(),
        json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": 7}, scope]}]}).encode(),
        in_json(None, GOOD),
        in_json([], GOOD),
        in_json({}, GOOD),
    )


def test_a_number_without_end_costs_its_span_alone() -> None:
    """Python refuses to read an integer of more than 4,300 digits, and all that it stands in."""
    body = in_json(GOOD, GOOD | {"endTimeUnixNano": 123_454_321}).replace(b"123454321", b"9" * 5_000)
    good_beside(body)


def test_bytes_of_json_that_are_no_utf_8_cost_nothing() -> None:
    """The text that they stand in has replacement characters, as in protobuf; the span is read, and the next one too."""
    body = in_json(GOOD | {"name": "WRONG"}, GOOD).replace(b"WRONG", b"a\xff\xfe")
    assert [item.span.name for item in from_json(body).spans] == ["a\ufffd\ufffd", "trial Any"]


@pytest.mark.parametrize(
    ("resource", "left"),
    [
        (7, {}),
        (None, {}),
        ({"attributes": 7}, {}),
        ({"attributes": [{"key": "\ud800", "value": {"stringValue": "x"}}]}, {}),
        (
            {
                "attributes": [
                    {"key": 7},
                    {"key": "a", "value": {"intValue": "x"}},
                    {"key": "b", "value": {"intValue": 1}},
                ]
            },
            {"b": 1},
        ),
    ],
)
def test_a_resource_that_cannot_be_read_costs_no_span(resource: object, left: dict[str, Any]) -> None:
    """What can be read of it is kept."""
    given = request(GOOD)
    given["resourceSpans"][0]["resource"] = resource
    (found,) = from_json(json.dumps(given).encode()).spans
    assert found.span.resource == left


@pytest.mark.parametrize(
    ("scope", "name"),
    [(7, ""), (None, ""), ({"name": 7}, ""), ({"name": "\ud800"}, ""), ({"name": "lib", "attributes": 7}, "lib")],
)
def test_a_scope_that_cannot_be_read_costs_no_span(scope: object, name: str) -> None:
    """Its name is kept where it is one."""
    given = request(GOOD)
    given["resourceSpans"][0]["scopeSpans"][0]["scope"] = scope
    (found,) = from_json(json.dumps(given).encode()).spans
    assert found.span.scope == name


def nested(depth: int) -> AnyValue:
    """Lists in lists."""
    value = AnyValue(int_value=1)
    for _ in range(depth):
        value = AnyValue(array_value=ArrayValue(values=[value]))
    return value


def test_nesting_has_a_bound() -> None:
    """As deep as allowed is read; a level more costs the span."""
    spans = [
        Span(
            trace_id=b"1" * 16, span_id=b"1" * 8, start_time_unix_nano=1, end_time_unix_nano=2,
            attributes=[KeyValue(key="deep", value=nested(depth))],
        )
        for depth in (MAX_NESTING, MAX_NESTING + 1)
    ]  # fmt: skip
    found = from_protobuf(in_protobuf(*spans))
    assert [item.span.attributes for item in found.spans] == [{"deep": "[" * 16 + "1" + "]" * 16}]
    assert found.refused == ["an attribute is nested deeper than 16 levels"]


def field(content: bytes) -> bytes:
    """A length-delimited field's length and content."""
    size, length = len(content), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([*length, size]) + content


def test_what_protobuf_itself_finds_too_deep_is_malformed() -> None:
    """Length-delimited fields in one another, a thousand levels, each the one that nests: not even a stack is spent."""
    body = b""
    for _ in range(1000):
        # Field 5 of an AnyValue is a list, field 1 of a list an AnyValue.
        body = b"\x0a" + field(b"\x2a" + field(body))
    for name in (b"\x2a", b"\x12", b"\x4a", b"\x12", b"\x12", b"\x0a"):
        # A list, the value of an attribute of a span of a scope of a resource.
        body = name + field(body)
    with pytest.raises(MalformedError):
        from_protobuf(body)


@pytest.mark.parametrize(
    ("read", "body"),
    [
        (from_protobuf, b"\xff\xff\xff"),
        (from_json, b"{"),
        (from_json, b"[]"),
        (from_json, b'{"resourceSpans": 7}'),
        (from_json, b'{"resourceSpans": [{"scopeSpans": [{"spans": 7}]}]}'),
        (from_json, b'{"resourceSpans": [' + b"[" * 100_000),
        (from_json, b"\xff"),
    ],
)
def test_what_is_no_request_is_malformed(read: Callable[[bytes], object], body: bytes) -> None:
    """The error is reported, whatever it is; nothing else is raised, however deep it goes."""
    with pytest.raises(MalformedError):
        read(body)


def test_a_text_that_is_no_utf_8_costs_nothing_else() -> None:
    """Question marks stand for its bytes, wherever it is: in a name, an attribute, a list, a status; all else is read."""
    texts = [AnyValue(string_value="list WRONG \u00e9")]
    bad, good = (
        Span(
            trace_id=b"1" * 16, span_id=b"1" * 8, start_time_unix_nano=1, end_time_unix_nano=2, name=name,
            attributes=[
                KeyValue(key="WRONG", value=AnyValue(bytes_value=b"\xff")),
                KeyValue(key="list", value=AnyValue(array_value=ArrayValue(values=texts))),
            ],
            status=Status(code=Status.STATUS_CODE_ERROR, message="WRONG"),
        )
        for name in ("WRONG \u00e9", "good")
    )  # fmt: skip
    # No UTF-8 at all, cut off, a surrogate, longer than need be, beyond Unicode.
    for wrong in (b"\xff\xfe\xfd\x80\x80", b"a\xe2\x82a\xc3", b"\xed\xa0\x80ab", b"\xc0\xafabc", b"\xf4\x90\x80\x80a"):
        found = from_protobuf(in_protobuf(bad, good).replace(b"WRONG", wrong))
        shown = "".join(chr(byte) if byte < 0x80 else "?" for byte in wrong)
        assert [item.span.name for item in found.spans] == [f"{shown} \u00e9", "good"]
        assert [item.span.message for item in found.spans] == [shown] * 2
        assert found.spans[0].span.attributes == {shown: "/w==", "list": (f"list {shown} \u00e9",)}


def test_a_request_has_a_bound_of_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty spans, scopes and resources count alike, in both forms; at the bound all is read, above it nothing is."""
    monkeypatch.setattr(otlp, "MAX_PARTS", 5)
    assert len(from_protobuf(in_protobuf(*[Span()] * 3)).refused) == len(from_json(in_json({}, {}, {})).refused) == 3
    for read, body in (
        (from_protobuf, in_protobuf(*[Span()] * 4)),
        (from_protobuf, b"\x0a\x00" * 6),
        (from_protobuf, b"\x0a" + field(b"\x12\x00" * 5)),
        # Not even in a group, which is not read, and after every other kind of field.
        (from_protobuf, b"\x7b\x08\x96\x01\x11" + b"1" * 8 + b"\x1d" + b"1" * 4 + b"\x0a\x00" * 6 + b"\x7c"),
        (from_json, in_json({}, {}, {}, {})),
        (from_json, b'{"resourceSpans": [{}, {}, {}, {}, {}, {}]}'),
        (from_json, b'{"resourceSpans": [{"scopeSpans": [{}, {}, {}, {}, {}]}]}'),
    ):
        with pytest.raises(TooLargeError, match="more than 5 spans"):
            read(body)


def test_millions_of_empty_spans_are_sent_away_before_they_are_made() -> None:
    """Ten kilobytes on the wire, ten megabytes unzipped, and never the gigabyte that they would be in memory."""
    body = b"\x0a" + field(b"\x12" + field(b"\x12\x00" * 5_000_000))

    def refused() -> None:
        with pytest.raises(TooLargeError):
            from_protobuf(body)

    assert peak_memory(refused) < 100_000


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_malformed(body: bytes) -> None:
    """Whatever comes is read or is malformed."""
    for read in (from_protobuf, from_json):
        with contextlib.suppress(MalformedError):
            assert read(body).spans == []


def test_an_empty_request_holds_nothing() -> None:
    """OTLP allows it."""
    assert from_json(b"{}").spans == from_protobuf(b"").spans == snapshot([])
