"""Shutdown of a bridge on SIGTERM within the documented time, in any state of MLflow and the artifact store."""

from __future__ import annotations

import contextlib
import signal
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from mlflow import MlflowClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy.bridge import command
from otel_dspy.bridge.servers.grpc_server import SERVICE
from otel_dspy.bridge.service import TEARDOWN
from tests.chaos.twins import optimize
from tests.integration.bridge.test_same_tree import instrumented_by
from tests.support.blank_store import blank_store
from tests.support.bridge_process import bridge_process
from tests.support.bridges import PATIENCE, GrpcExporter
from tests.support.mlflow_server import free_port
from tests.support.object_store import object_store
from tests.support.silent_server import silent_server
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.bridge_process import BridgeProcess

DRAIN = 6.0
"""More than `command.EXIT`: one drain timeout after another would reach the bound."""
BOUND = DRAIN + TEARDOWN + command.EXIT
"""Seconds after which the bridge's own timer ends it, with status 1: an exit status of 0 shows that it was earlier."""


def _request() -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add(scope={"name": "otel_dspy"}).spans.add()
    span.trace_id, span.span_id, span.name = b"\1" * 16, b"\1" * 8, "module P"
    span.start_time_unix_nano = span.end_time_unix_nano = 1
    span.attributes.add(key="dspy.operation.name").value.string_value = "module"
    return request.SerializeToString()


def _metrics(bridge: BridgeProcess) -> str:
    with urllib.request.urlopen(f"{bridge.http}/metrics", timeout=PATIENCE) as answer:  # noqa: S310 - loopback
        return str(answer.read().decode())


def ended(bridge: BridgeProcess) -> int:
    """Its exit status. It either keeps its bound or is still there long after."""
    bridge.process.send_signal(signal.SIGTERM)
    return bridge.process.wait(BOUND + PATIENCE)


def test_mlflow_does_not_answer() -> None:
    """Requests of both protocols and a readiness probe in progress: their clients are asked to send again."""
    port, answers = free_port(), dict[str, str]()

    def by_http(bridge: BridgeProcess) -> None:
        headers = {"Content-Type": "application/x-protobuf"}
        sent = urllib.request.Request(f"{bridge.http}/v1/traces", _request(), headers)  # noqa: S310 - loopback
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(sent, timeout=PATIENCE)  # noqa: S310 - loopback
        answers["http"] = str(error.value.code)

    def by_grpc(_: BridgeProcess) -> None:
        untyped: Any = grpc
        with untyped.insecure_channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(untyped.RpcError) as error:
                channel.unary_unary(f"/{SERVICE}/Export")(_request(), timeout=PATIENCE)
            answers["grpc"] = str(error.value.code().name)

    def probe(bridge: BridgeProcess) -> None:
        with contextlib.suppress(OSError):  # it may get an answer or none
            urllib.request.urlopen(f"{bridge.http}/readyz", timeout=PATIENCE)  # noqa: S310 - loopback

    with (
        silent_server() as mlflow,
        bridge_process(mlflow.address, "x", port, PATIENCE, drain_timeout=str(DRAIN)) as bridge,
    ):
        clients = [threading.Thread(target=client, args=(bridge,)) for client in (by_http, by_grpc, probe)]
        for client in clients:
            client.start()
        awaited(lambda: len(mlflow.connections) > 1, "the writer's and the probe's request", PATIENCE)
        for protocol in ("http", "grpc"):
            received = f'otel_dspy_bridge_received_spans_total{{protocol="{protocol}"}} 1.0'
            awaited(lambda received=received: received in _metrics(bridge), received, PATIENCE)
        assert ended(bridge) == 0
        for client in clients:
            client.join(PATIENCE)
    assert answers["http"] == "503"
    assert answers["grpc"] in {"UNAVAILABLE", "CANCELLED"}


def test_the_artifact_store_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 uploads in pool threads, which an interpreter joins before it exits: for minutes, one for each attempt."""
    monkeypatch.chdir(tmp_path)
    with object_store() as objects, silent_server() as bucket:
        objects.serve_clients(monkeypatch)
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", bucket.address)
        store, port = blank_store(tmp_path), free_port()
        MlflowClient(store).create_experiment("x", "s3://bucket/x")
        with bridge_process(store, "x", port, drain_timeout="1") as bridge:
            sending = GrpcExporter(f"http://127.0.0.1:{port}", timeout=PATIENCE)
            processor = BatchSpanProcessor(sending)
            instrumented_by([processor], "linked", lambda: optimize(trials=1))
            awaited(lambda: bucket.connections, "an upload", PATIENCE)
            assert ended(bridge) == 0
            sending.shutdown()  # what nobody takes is not sent again
            processor.shutdown()
