"""Spool lines: round trip, compatibility with OTLP JSON readers, no passwords."""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_dspy.mlflow.delivery import spool_line
from otel_dspy.mlflow.records.route import (
    Destination,
    Experiment,
    Options,
    RootKind,
    Route,
    SpanUpdate,
    TraceContext,
    UserEvent,
)
from otel_dspy.mlflow.records.span import SpanLink, SpanRecord

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False)


def several(of: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """A tuple of values of one type."""
    return st.lists(of, max_size=3).map(tuple)


values = st.one_of(text, st.booleans(), integers, floats, several(text), several(integers), several(floats))
attributes = st.dictionaries(text, values, max_size=5)


def hexadecimal(digits: int) -> st.SearchStrategy[str]:
    """An id of so many hex digits that is not zero."""
    return st.integers(1, 16**digits - 1).map(lambda number: f"{number:0{digits}x}")


spans = st.builds(
    SpanRecord,
    trace_id=hexadecimal(32),
    span_id=hexadecimal(16),
    parent_id=st.none() | hexadecimal(16),
    name=text,
    kind=st.sampled_from(["INTERNAL", "CLIENT", "SERVER"]),
    start_ns=st.integers(0, 2**63 - 1),
    end_ns=st.integers(0, 2**63 - 1),
    attributes=attributes,
    links=st.lists(st.builds(SpanLink, hexadecimal(32), hexadecimal(16)), max_size=2).map(tuple),
    resource=st.dictionaries(st.sampled_from(["service.name", "a"]), text, max_size=2),
    scope=text,
)


def failed(span: SpanRecord, message: str) -> SpanRecord:
    """The span as one that failed."""
    return replace(span, error=True, message=message)


def cut(line: str) -> str:
    """As a crash leaves it."""
    return line[:-9]


def of_another_kind(_line: str) -> str:
    """JSON, but no spans."""
    return "[]"


def without_route(line: str) -> str:
    """As another program's exporter writes it."""
    return line.replace("otel_dspy.spool.context", "other")


def without_start(line: str) -> str:
    """A field is missing."""
    return line.replace("startTimeUnixNano", "start")


def with_endless_start(line: str) -> str:
    """A number that Python's JSON takes and that is no time."""
    return re.sub(r'("startTimeUnixNano": ?)"1"', r"\1Infinity", line)


def with_spans(spans: list[Any]) -> Callable[[str], str]:
    """The line with these spans in the place of its own."""

    def damage(line: str) -> str:
        request = json.loads(line)
        request["resourceSpans"][0]["scopeSpans"][0]["spans"] = spans
        return json.dumps(request)

    return damage


errors = st.builds(failed, spans, text.filter(bool))
routes = st.builds(
    Route,
    st.builds(
        Destination,
        st.sampled_from(["http://localhost:5000", "sqlite:////tmp/m.db", "postgresql://me@db/mlflow"]),
        st.builds(Experiment, id=st.none() | text, name=st.none() | text),
        st.none() | text,
    ),
    st.builds(
        TraceContext,
        trace_id=hexadecimal(32),
        root_id=hexadecimal(16),
        kind=st.sampled_from(RootKind),
        compile_id=st.none() | text,
        trial=st.none() | st.integers(0, 99),
        evaluate=st.none() | st.tuples(hexadecimal(32), hexadecimal(16)),
        user_run=st.none() | text,
        span_update=st.none()
        | st.builds(
            SpanUpdate,
            attributes=several(st.tuples(text, text)),
            events=several(st.builds(UserEvent, text, st.integers(0, 2**63 - 1), text)),
            links=several(st.tuples(hexadecimal(32), hexadecimal(16))),
            failed=st.booleans(),
            message=st.none() | text,
        ),
    ),
    st.builds(Options, log_traces=st.booleans(), log_evals=st.booleans(), log_evaluation_datasets=st.booleans()),
)

SPAN = SpanRecord(
    trace_id="1" * 32, span_id="2" * 16, parent_id=None, name="s", kind="INTERNAL", start_ns=1, end_ns=2, attributes={}
)
ROUTE = Route(
    Destination("http://localhost:5000", Experiment(name="e")),
    TraceContext(trace_id="1" * 32, root_id="2" * 16, kind=RootKind.CALL),
    Options(),
)


@given(span=spans | errors, route=routes)
def test_a_line_read_back_is_the_same(span: SpanRecord, route: Route) -> None:
    """Every fact of the span and of its route survives, in one line."""
    line = spool_line.span_line(span, route)
    assert "\n" not in line
    assert spool_line.parse_line(line.encode()) == (span, route)


@given(span=spans | errors)
def test_any_otlp_reader_takes_it(span: SpanRecord) -> None:
    """Protobuf's own JSON parser, with ids in hex as OTLP requires, finds every field."""
    message: Any = json.loads(spool_line.span_line(span, ROUTE))
    (sent,) = message["resourceSpans"][0]["scopeSpans"][0]["spans"]
    for holder in [sent, *sent.get("links", [])]:
        for name in ("traceId", "spanId", "parentSpanId"):
            if name in holder:
                holder[name] = base64.b64encode(bytes.fromhex(holder[name])).decode()
    request = json_format.ParseDict(message, ExportTraceServiceRequest())
    (found,) = request.resource_spans[0].scope_spans[0].spans
    assert (found.trace_id.hex(), found.span_id.hex(), found.name) == (span.trace_id, span.span_id, span.name)
    assert (found.start_time_unix_nano, len(found.attributes)) == (span.start_ns, len(span.attributes))
    assert found.status.message == (span.message or "")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_has_not(value: float) -> None:
    """They are written as OTLP writes them, and read back."""
    found = spool_line.parse_line(spool_line.span_line(replace(SPAN, attributes={"a": value}), ROUTE))
    assert found is not None
    assert str(found[0].attributes["a"]) == str(value)


def test_the_password_of_the_address_is_left_out() -> None:
    """User and host stay, so that one sees where it was to go."""
    where = Destination("https://me:geheim@host/mlflow", Experiment(id="1"))
    line = spool_line.span_line(SPAN, replace(ROUTE, destination=where))
    assert "geheim" not in line
    assert "https://me@host/mlflow" in line


def test_the_line_that_ends_a_file() -> None:
    """It has no span."""
    assert spool_line.parse_line(spool_line.end_line()) is None


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut, "cut off"),
        (of_another_kind, "not a span of otel-dspy's spool"),
        (without_route, "it has no route"),
        (without_start, "startTimeUnixNano"),
        (with_endless_start, "OverflowError"),
        (with_spans([]), "ValueError"),
        (with_spans(["text"]), "AttributeError"),
    ],
)
def test_damage_is_reported(damage: Callable[[str], str], reason: str) -> None:
    """The error message contains the reason."""
    with pytest.raises(spool_line.DamagedLineError, match=reason):
        spool_line.parse_line(damage(spool_line.span_line(SPAN, ROUTE)))
