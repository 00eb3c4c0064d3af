"""Which spans of a request otel-dspy writes, and which MLflow's own ingest takes."""

from __future__ import annotations

import gzip
import json

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_dspy.mlflow_server_app.split_request import SplitRequest, chosen, joined, split
from otel_dspy.otlp_requests.protobuf_spans import TooLargeError
from tests.support.otlp_requests import encoded, foreign, ours

LIMIT = 100_000


def names(body: bytes | None) -> list[str]:
    """Names of a request's spans."""
    request = ExportTraceServiceRequest.FromString(body or b"")
    return [span.name for group in request.resource_spans for scope in group.scope_spans for span in scope.spans]


def test_a_trace_of_ours_is_ours_as_a_whole() -> None:
    """A span of another library goes with the trace of a span of otel-dspy, wherever it is in the request."""
    call = ours("call")
    parts = split(encoded(foreign("http", call), call, foreign("other"), experiment="e"), "", LIMIT, as_json=False)
    assert parts is not None
    assert (names(parts.ours), names(parts.others)) == (["call", "http"], ["other"])
    for part in (parts.ours, parts.others or b""):
        (group,) = ExportTraceServiceRequest.FromString(part).resource_spans
        assert group.resource.attributes[0].value.string_value == "e"


def test_a_request_of_ours_alone_is_kept_as_it_is() -> None:
    """Nothing is encoded again."""
    body = encoded(ours("call"))
    assert split(gzip.compress(body), "gzip", LIMIT, as_json=False) == SplitRequest(body, None)


@pytest.mark.parametrize(
    ("body", "encoding", "as_json"),
    [
        (encoded(foreign("otel_dspy")), "", False),
        (encoded(), "", False),
        (b"\xff otel_dspy", "", False),
        (b"otel_dspy", "gzip", False),
        (encoded(ours("call")), "br", False),
        (b"otel_dspy", "", True),
        (b'["otel_dspy"]', "", True),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "otel_dspy"}]}]}]}', "", True),
    ],
    ids=[
        "another scope",
        "no span",
        "no protobuf",
        "no gzip",
        "an unknown encoding",
        "no JSON",
        "JSON of another form",
        "an invalid id",
    ],
)
def test_what_has_none_or_cannot_be_parsed_is_mlflows(body: bytes, encoding: str, as_json: bool) -> None:  # noqa: FBT001 - a case
    """MLflow's own endpoint answers it."""
    assert split(body, encoding, LIMIT, as_json=as_json) is None


def test_json_becomes_protobuf() -> None:
    """Ids are hexadecimal in OTLP's JSON."""
    call = ours("call")
    span = {"traceId": call.trace_id.hex(), "spanId": call.span_id.hex(), "name": "call"}
    body = {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "otel_dspy"}, "spans": [span]}]}]}
    parts = split(json.dumps(body).encode(), "", LIMIT, as_json=True)
    assert parts is not None
    (group,) = ExportTraceServiceRequest.FromString(parts.ours).resource_spans
    assert group.scope_spans[0].spans[0].trace_id == call.trace_id


def test_more_than_the_limit_is_not_decompressed() -> None:
    """A few bytes could decompress to gigabytes."""
    with pytest.raises(TooLargeError):
        split(gzip.compress(bytes(LIMIT + 1)), "gzip", LIMIT, as_json=False)


def test_spans_are_chosen_by_their_ids() -> None:
    """And joined with others to one request."""
    call, other = ours("call"), ours("other")
    body = encoded(call, other)
    found = chosen(body, frozenset({(call.trace_id.hex(), call.span_id.hex())}))
    assert names(found) == ["call"]
    assert chosen(body, frozenset()) is None
    assert names(joined(None, found, encoded(foreign("http")))) == ["call", "http"]
