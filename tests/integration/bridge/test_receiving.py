"""Responses of a bridge: accepted, malformed, rejected, too large, unauthenticated, retryable."""

from __future__ import annotations

import gzip
import json
import socket
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, cast

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from mlflow import MlflowClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from otel_dspy.bridge import intake
from otel_dspy.bridge.pending_request import PendingRequest
from otel_dspy.bridge.request_answer import RETRY_AFTER
from otel_dspy.bridge.servers.grpc_server import RETRY_INFO, SERVICE, GrpcFront
from tests.support.bridges import PATIENCE, running_bridge
from tests.support.mlflow_server import free_port
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Generator
    from email.message import Message
    from pathlib import Path

    from otel_dspy.bridge.service import Bridge

TOKEN = "geheim"
NOBODY = "http://127.0.0.1:{}"
"""An MLflow that is down."""


def request(number: int, *more: dict[str, Any]) -> dict[str, Any]:
    """A call's trace with one span, in OTLP's JSON, and more spans in the same batch."""
    span = {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "module P",
        "startTimeUnixNano": str(time.time_ns()),
        "endTimeUnixNano": str(time.time_ns()),
        "attributes": [{"key": "dspy.operation.name", "value": {"stringValue": "module"}}],
    }
    return {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "otel_dspy"}, "spans": [span, *more]}]}]}


def post(
    bridge: Bridge, body: bytes, path: str = "/v1/traces", **headers: str
) -> tuple[int, dict[str, Any], Message[str, str]]:
    """Status, answer and headers."""
    recorded = {"Content-Type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
    asked = urllib.request.Request(f"http://127.0.0.1:{bridge.http_port}{path}", body, recorded)
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310 - the same
            return answer.status, json.loads(answer.read()), answer.headers
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else {"raw": text}, error.headers


def get(bridge: Bridge, path: str, **headers: str) -> tuple[int, str]:
    """Status and text."""
    asked = urllib.request.Request(f"http://127.0.0.1:{bridge.http_port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310 - the same
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def call(bridge: Bridge, body: bytes, **metadata: str) -> ExportTraceServiceResponse:
    """What gRPC answers.

    Raises:
        grpc.RpcError: no success.
    """
    untyped = cast("Any", grpc)
    with untyped.insecure_channel(f"127.0.0.1:{bridge.grpc_port}") as channel:
        export = channel.unary_unary(f"/{SERVICE}/Export", response_deserializer=ExportTraceServiceResponse.FromString)
        return export(body, timeout=60, metadata=[(name.replace("_", "-"), text) for name, text in metadata.items()])


@contextmanager
def refused_with(code: str) -> Generator[list[Any]]:
    """Expect a gRPC failure of that code; its trailing metadata."""
    found: list[Any] = []
    with pytest.raises(cast("type[Exception]", cast("Any", grpc).RpcError)) as failed:
        yield found
    error: Any = failed.value
    assert error.code().name == code
    found += error.trailing_metadata() or ()


def traces(store: str, experiment: str) -> int:
    """How many traces are there."""
    client = MlflowClient(store)
    found = client.get_experiment_by_name(experiment)
    return len(client.search_traces(locations=[found.experiment_id])) if found else 0


def test_what_is_taken_is_in_mlflow_when_the_answer_comes(new_store: Callable[[str], str]) -> None:
    """JSON, JSON zipped, protobuf by gRPC; the header chooses the experiment; a bad span costs itself alone."""
    store = new_store("m")
    with running_bridge(store, "E") as bridge:
        assert post(bridge, json.dumps(request(1)).encode())[:2] == (200, {})
        assert traces(store, "E") == 1
        zipped = gzip.compress(json.dumps(request(2)).encode())
        assert post(bridge, zipped, content_encoding="gzip", x_mlflow_experiment_name="Other")[:2] == (200, {})
        assert (traces(store, "E"), traces(store, "Other")) == (1, 1)
        status, answer, _ = post(bridge, json.dumps(request(3, {"traceId": "", "name": "bad"})).encode())
        assert (status, traces(store, "E")) == (200, 2)
        assert answer == {
            "partialSuccess": {"rejectedSpans": "1", "errorMessage": "trace id is not 16 bytes long or is all zeros"}
        }
        assert call(bridge, b"") == ExportTraceServiceResponse()
        counters = get(bridge, "/metrics")[1]
        assert 'otel_dspy_bridge_requests_total{answer="taken",protocol="http"} 3.0' in counters
        assert 'refused_spans_total{reason="trace id is not 16 bytes long or is all zeros"} 1.0' in counters
        assert "otel_dspy_bridge_written_spans_total 3.0" in counters


def test_malformed_data_is_reported(new_store: Callable[[str], str]) -> None:
    """400, 413, 415, 404, INVALID_ARGUMENT, RESOURCE_EXHAUSTED: each by its name, never a failure of the server's."""
    with running_bridge(new_store("m"), "E", max_request_bytes=10_000) as bridge:
        for body, headers, status in (
            (b"{", {}, 400),
            (b"\xff", {"Content_Type": "application/x-protobuf"}, 400),
            (b"no gzip", {"content_encoding": "gzip"}, 400),
            (b"{}", {"content_encoding": "br"}, 400),
            (b"{}", {"Content_Type": "text/plain"}, 415),
            (b"x" * 10_001, {}, 413),
            (gzip.compress(b"x" * 10_001), {"content_encoding": "gzip"}, 413),
        ):
            assert post(bridge, body, **headers)[0] == status
        assert post(bridge, b"{}", path="/v1/metrics")[0] == 404
        with refused_with("INVALID_ARGUMENT"):
            call(bridge, b"\xff\xff")
        with refused_with("RESOURCE_EXHAUSTED"):
            call(bridge, b"x" * 10_001)
        assert get(bridge, "/healthz") == (200, "ok\n")
        assert get(bridge, "/readyz") == (200, "ready\n")


def test_it_is_ready_without_experiment_0(new_store: Callable[[str], str], tmp_path: Path) -> None:
    """`mlflow gc` removes it, once it was deleted; a bridge writes elsewhere, and asks whether MLflow answers."""
    store = new_store("m")
    MlflowClient(store).create_experiment("E")
    with closing(sqlite3.connect(tmp_path / "m.db")) as database, database:
        database.execute("DELETE FROM experiments WHERE experiment_id = 0")
    with running_bridge(store, "E") as bridge:
        assert get(bridge, "/readyz") == (200, "ready\n")
        assert post(bridge, json.dumps(request(1)).encode())[:2] == (200, {})


def test_while_mlflow_is_down_clients_get_a_retryable_error(new_store: Callable[[str], str]) -> None:
    """503 with Retry-After, UNAVAILABLE with RetryInfo, not ready but alive; no 500."""
    del new_store  # for its working folder
    with running_bridge(NOBODY.format(free_port()), "E", patience=1.0) as bridge:
        status, answer, headers = post(bridge, json.dumps(request(1)).encode())
        assert (status, headers["Retry-After"]) == (503, str(RETRY_AFTER))
        assert answer == {"code": 14, "message": "MLflow did not store the request within 1 s; send it again"}
        body = ExportTraceServiceRequest()
        span = body.resource_spans.add().scope_spans.add().spans.add()
        span.trace_id, span.span_id = b"1" * 16, b"1" * 8
        span.start_time_unix_nano = span.end_time_unix_nano = 1
        with refused_with("UNAVAILABLE") as metadata:
            call(bridge, body.SerializeToString())
        expected = RetryInfo(retry_delay=Duration(seconds=RETRY_AFTER)).SerializeToString()
        assert (RETRY_INFO, expected) in [(item.key, item.value) for item in metadata]

        def tried() -> bool:
            """Whether the writer has tried one: it does not try what has been answered meanwhile."""
            return bridge.writer.failing_since is not None or post(bridge, json.dumps(request(1)).encode())[0] != 503

        assert awaited(tried, "the first failure")
        status, text = get(bridge, "/readyz")
        assert (status, text) == (503, "requests to MLflow are failing\n")
        assert get(bridge, "/healthz")[0] == 200
        assert "otel_dspy_bridge_mlflow_up 0.0" in get(bridge, "/metrics")[1]


def test_a_flood_is_turned_away_and_not_kept(new_store: Callable[[str], str]) -> None:
    """While MLflow takes nothing, what waits stays within its bound: clients keep their spans."""
    del new_store
    with running_bridge(NOBODY.format(free_port()), "E", patience=0.5, max_waiting_bytes=20_000) as bridge:
        span = request(1)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        body = json.dumps(request(1, *[span | {"spanId": f"{number:016x}"} for number in range(2, 30)])).encode()
        answers: set[tuple[int, str]] = set()
        for _ in range(20):
            status, answer, _ = post(bridge, body)
            answers.add((status, answer["message"]))
            assert bridge.writer.waiting <= 20_000
        assert answers == {
            (503, "MLflow did not store the request within 0.5 s; send it again"),
            (503, "the bridge's queue is full; send the request again"),
        }


def test_without_the_token_nothing_is_accepted_or_revealed(new_store: Callable[[str], str]) -> None:
    """401 and UNAUTHENTICATED; health may be asked by anybody, the counters not."""
    store = new_store("m")
    body = json.dumps(request(1)).encode()
    with running_bridge(store, "E", token=TOKEN) as bridge:
        for headers in ({}, {"authorization": "Bearer falsch"}):
            status, _, answered = post(bridge, body, **headers)
            assert (status, answered["WWW-Authenticate"]) == (401, "Bearer")
            assert get(bridge, "/metrics", **headers)[0] == 401
            with refused_with("UNAUTHENTICATED"):
                call(bridge, b"", **headers)
        assert traces(store, "E") == 0
        assert get(bridge, "/healthz")[0] == 200
        assert post(bridge, body, authorization="Bearer geheim")[0] == 200
        assert call(bridge, b"", authorization="Bearer geheim") == ExportTraceServiceResponse()
        assert get(bridge, "/metrics", authorization="Bearer geheim")[0] == 200


def test_spans_of_other_libraries_go_with_a_programs_trace(new_store: Callable[[str], str]) -> None:
    """Those of a program's trace are in it, also where they come first; a trace without a program is not written."""
    store = new_store("m")

    def foreign(trace: int, number: int, name: str) -> dict[str, Any]:
        span = request(trace)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        recorded = span | {"spanId": f"{number:016x}", "parentSpanId": f"{trace:016x}", "name": name, "attributes": []}
        return {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "http client"}, "spans": [recorded]}]}]}

    with running_bridge(store, "E") as bridge:
        for body in (foreign(1, 11, "GET early"), foreign(2, 21, "GET alone"), request(1), foreign(1, 12, "GET late")):
            assert post(bridge, json.dumps(body).encode())[:2] == (200, {})
        client = MlflowClient(store)
        experiment = client.get_experiment_by_name("E")
        assert experiment is not None
        (trace,) = client.search_traces(locations=[experiment.experiment_id])
        names = {span.name: span.parent_id for span in trace.data.spans}
        assert names == {"module P": None, "GET early": f"{1:016x}", "GET late": f"{1:016x}"}


def test_a_trace_stays_in_the_experiment_in_which_it_began(new_store: Callable[[str], str]) -> None:
    """A later span of a known trace under another experiment's header is added to that trace: nothing is split."""
    store = new_store("m")
    child = request(1)
    span = child["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span |= {"spanId": f"{11:016x}", "parentSpanId": f"{1:016x}", "name": "module Q"}
    with running_bridge(store, "E") as bridge:
        assert post(bridge, json.dumps(request(1)).encode(), x_mlflow_experiment_name="E")[:2] == (200, {})
        assert post(bridge, json.dumps(child).encode(), x_mlflow_experiment_name="Other")[:2] == (200, {})
        client = MlflowClient(store)
        experiment = client.get_experiment_by_name("E")
        assert experiment is not None
        (trace,) = client.search_traces(locations=[experiment.experiment_id])
        assert {span.name: span.parent_id for span in trace.data.spans} == {"module P": None, "module Q": f"{1:016x}"}
        assert traces(store, "Other") == 0


def test_what_mlflow_itself_rejects_is_logged(new_store: Callable[[str], str]) -> None:
    """An experiment that was deleted takes nothing: OTLP's partial success reports it, with nothing to send again."""
    store = new_store("m")
    client = MlflowClient(store)
    client.delete_experiment(client.create_experiment("gone"))
    with running_bridge(store, "gone") as bridge:
        status, answer, _ = post(bridge, json.dumps(request(1)).encode())
        assert status == 200
        assert answer == {"partialSuccess": {"errorMessage": "MLflow rejected 1 operation; see the log of the bridge"}}
        assert "otel_dspy_bridge_lost_operations_total 1.0" in get(bridge, "/metrics")[1]


def test_connections_are_bounded(new_store: Callable[[str], str]) -> None:
    """Beyond the bound: UNAVAILABLE and 503, which exporters try again; taken once another client has gone."""
    untyped = cast("Any", grpc)
    with running_bridge(new_store("m"), "E", max_connections=2) as bridge:

        def export(channel: Any) -> object:
            return channel.unary_unary(f"/{SERVICE}/Export", response_deserializer=None)(b"", timeout=60)

        # Each with a connection of its own: gRPC shares them between channels of the same options.
        channels = [
            untyped.insecure_channel(f"127.0.0.1:{bridge.grpc_port}", options=[("grpc.use_local_subchannel_pool", 1)])
            for _ in range(3)
        ]
        assert [export(channel) for channel in channels[:2]] == [b"", b""]
        with refused_with("UNAVAILABLE"):
            export(channels[2])
        channels[0].close()

        def taken() -> bool:
            try:
                return export(channels[2]) == b""
            except untyped.RpcError:
                return False

        assert awaited(taken, "a place for the third")
        for channel in channels[1:]:
            channel.close()
        web = [socket.create_connection(("127.0.0.1", bridge.http_port or 0)) for _ in range(2)]
        assert awaited(lambda: get(bridge, "/healthz")[0] == 503, "no place")
        web[0].close()
        web[1].close()
        assert awaited(lambda: get(bridge, "/healthz")[0] == 200, "a place")


def test_a_message_stays_with_its_client_until_there_is_room(
    new_store: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many large requests by gRPC only so many are taken in at once as would fill the bound, were they the largest."""
    held, most = threading.Event(), [0, 0]
    lock = threading.Lock()
    check = PendingRequest.check

    def slow(request: PendingRequest) -> Counter[str]:
        with lock:
            most[0] += 1
            most[1] = max(most)
        held.wait(PATIENCE)
        with lock:
            most[0] -= 1
        return check(request)

    monkeypatch.setattr(PendingRequest, "check", slow)
    monkeypatch.setattr(intake, "_READERS", 8)
    read: list[bytes] = []
    body_of = GrpcFront._body

    async def counted(front: GrpcFront, context: object) -> bytes:
        body = await body_of(front, context)
        read.append(body)
        return body

    monkeypatch.setattr(GrpcFront, "_body", counted)
    sizes = {"max_waiting_bytes": 300_000, "max_request_bytes": 100_000}
    with running_bridge(new_store("m"), "E", **sizes) as bridge, ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(call, bridge, b"") for _ in range(8)]
        assert awaited(lambda: most[0] == 3, "three are taken in")
        assert len(read) == 3
        held.set()
        assert [one.result(PATIENCE) for one in calls] == [ExportTraceServiceResponse()] * 8
    assert (most[1], len(read)) == (3, 8)
