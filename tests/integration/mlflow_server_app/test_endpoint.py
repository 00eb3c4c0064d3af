"""MLflow's OTLP endpoint below `mlflow server --app-name otel-dspy`: whose spans it writes, and what it answers."""

from __future__ import annotations

import gzip
import http.client
import json
import uuid
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlflow import MlflowClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceResponse,
)

from tests.support.mlflow_tree import read_tree
from tests.support.otlp_requests import encoded, foreign, ours

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.mlflow_server import MlflowServer

PROTOBUF = {"content-type": "application/x-protobuf"}
CHANGING = {"date"}
"""Headers with values of the moment."""


def post(uri: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to a request on a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(uri).netloc, timeout=120)
    try:
        connection.request("POST", "/v1/traces", body, dict(headers))
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in CHANGING}
        return answer.status, kept, answer.read()
    finally:
        connection.close()


def new_experiment(server: MlflowServer, name: str) -> dict[str, str]:
    """Create an experiment; the header that names it."""
    return {"x-mlflow-experiment-id": MlflowClient(server.uri).create_experiment(name)}


def test_a_request_without_our_spans_gets_mlflows_own_answer(app_server: MlflowServer, server: MlflowServer) -> None:
    """Status, headers, body and the stored trace are those of a plain MLflow server; so for an unknown experiment."""
    name = f"foreign-{uuid.uuid4().hex[:8]}"
    experiments = [new_experiment(server, name), new_experiment(app_server, name)]
    body = encoded(foreign("GET /"), foreign("GET /users"))
    cases: list[tuple[bytes, dict[str, str], bool]] = [
        (body, PROTOBUF, True),
        (gzip.compress(body), PROTOBUF | {"content-encoding": "gzip"}, True),
        (b"\xff\xff otel_dspy", PROTOBUF, True),
        (b"{ otel_dspy", {"content-type": "application/json"}, True),
        (body, PROTOBUF | {"content-encoding": "br"}, True),
        (body, {"content-type": "text/plain"}, True),
        (b"", PROTOBUF, True),
        (body, PROTOBUF, False),
        (encoded(ours("call")), PROTOBUF | {"x-mlflow-experiment-id": "987654321"}, False),
        (encoded(ours("call")), PROTOBUF | {"x-mlflow-experiment-id": "none"}, False),
    ]
    for content, headers, named in cases:
        plain, with_app = (
            post(one.uri, content, headers | (experiment if named else {}))
            for one, experiment in zip((server, app_server), experiments, strict=True)
        )
        assert with_app == plain, headers
    stored, stored_with_app = (read_tree(one.uri, name).traces for one in (server, app_server))
    assert stored_with_app == stored
    assert sorted(span.name for trace in stored for span in trace.walk()) == ["GET /", "GET /users"]


def test_spans_of_both_in_one_request(app_server: MlflowServer) -> None:
    """Those of a trace with a span of otel-dspy are mapped, the others are MLflow's own; the resource names the experiment."""
    name = f"mixed-{uuid.uuid4().hex[:8]}"
    call = ours("module P")
    body = encoded(call, foreign("POST /chat", call), foreign("GET /"), experiment=name)
    for _ in range(2):  # sent again, it changes nothing
        status, _, answer = post(app_server.uri, body, PROTOBUF)
        assert (status, ExportTraceServiceResponse.FromString(answer)) == (200, ExportTraceServiceResponse())
    traces = read_tree(app_server.uri, name).traces
    assert {trace.name: [span.name for span in trace.walk()] for trace in traces} == {
        None: ["GET /"],  # MLflow's own ingest gives a trace no name
        "module P": ["module P", "POST /chat"],
    }


def test_a_span_of_another_library_that_arrives_before_its_trace(app_server: MlflowServer) -> None:
    """MLflow's own ingest stores it; the trace is the same as if it had arrived together with the rest."""
    names = [f"{when}-{uuid.uuid4().hex[:8]}" for when in ("before", "together")]
    call = [ours("module P"), ours("module P")]
    early, late = (foreign("POST /chat", one) for one in call)
    header = new_experiment(app_server, names[0])
    for body in (encoded(early), encoded(call[0])):
        assert post(app_server.uri, body, PROTOBUF | header)[0] == 200
    assert post(app_server.uri, encoded(call[1], late), PROTOBUF | new_experiment(app_server, names[1]))[0] == 200
    before, together = (read_tree(app_server.uri, name).traces for name in names)
    assert [(trace.name, trace.state, [span.name for span in trace.walk()]) for trace in before] == [
        ("module P", "OK", ["module P", "POST /chat"])
    ]
    assert [(trace.name, trace.state, [span.name for span in trace.walk()]) for trace in together] == [
        ("module P", "OK", ["module P", "POST /chat"])
    ]


def test_an_invalid_span_is_rejected_alone(app_server: MlflowServer) -> None:
    """As by the bridge: the valid one is written, and the answer counts the other."""
    name = f"invalid-{uuid.uuid4().hex[:8]}"
    broken = ours("module Q")
    broken.attributes.add(key="dspy.compile.id").value.string_value = "no id / at all"
    headers = PROTOBUF | new_experiment(app_server, name)
    status, _, answer = post(app_server.uri, encoded(ours("module P"), broken), headers)
    partial = ExportTraceServiceResponse.FromString(answer).partial_success
    assert (status, partial.rejected_spans, partial.error_message) == (200, 1, "dspy.compile.id is not a valid id")
    assert [trace.name for trace in read_tree(app_server.uri, name).traces] == ["module P"]


def test_mlflows_host_check_stays_in_force(app_server: MlflowServer) -> None:
    """A request with spans of otel-dspy and a foreign Host header is rejected."""
    name = f"host-{uuid.uuid4().hex[:8]}"
    body = encoded(ours("module P"), experiment=name)
    status, _, answer = post(app_server.uri, body, PROTOBUF | {"host": "evil.example"})
    assert (status, answer[:30]) == (403, b"Invalid Host header - possible")
    assert MlflowClient(app_server.uri).get_experiment_by_name(name) is None


def test_json_is_answered_in_json(app_server: MlflowServer) -> None:
    """A client that sends JSON is answered in JSON, and its spans are mapped."""
    name = f"json-{uuid.uuid4().hex[:8]}"
    call = ours("module P")
    span = {
        "traceId": call.trace_id.hex(),
        "spanId": call.span_id.hex(),
        "name": call.name,
        "startTimeUnixNano": str(call.start_time_unix_nano),
        "endTimeUnixNano": str(call.end_time_unix_nano),
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"scope": {"name": "otel_dspy"}, "spans": [span]}]}]})
    sent = {"content-type": "application/json"} | new_experiment(app_server, name)
    status, headers, answer = post(app_server.uri, body.encode(), sent)
    assert (status, headers["content-type"], answer) == (200, "application/json", b"{}")
    assert [trace.name for trace in read_tree(app_server.uri, name).traces] == ["module P"]
