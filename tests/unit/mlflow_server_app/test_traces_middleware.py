"""What MLflow's own ingest receives, and what the client is answered, when otel-dspy's mapping or MLflow fails."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from mlflow import MlflowClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from otel_dspy.bridge.configuration.listen_addresses import Address
from otel_dspy.bridge.configuration.settings import BridgeSettings
from otel_dspy.bridge.intake import Intake
from otel_dspy.bridge.metrics import Metrics
from otel_dspy.bridge.multi_writer.multi_writer_pipeline import MultiWriterPipeline
from otel_dspy.bridge.request_writer import RequestWriter
from otel_dspy.mlflow_server_app.request_experiment_routing import RequestExperimentRouter
from otel_dspy.mlflow_server_app.traces_middleware import TracesMiddleware
from tests.support.blank_store import blank_store
from tests.support.otlp_requests import encoded, foreign, ours

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from starlette.types import Message, Receive, Scope, Send

    from otel_dspy.mlflow.records.route import Route
    from otel_dspy.mlflow.records.span import SpanRecord


@dataclass
class MlflowEndpoint:
    """Stands for MLflow's app below the middleware."""

    status: int = 200
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list[tuple[dict[str, str], bytes]])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the request; answer it with `status`."""
        message = await receive()
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.requests.append((headers, message["body"]))
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"MLflow's answer"})

    def received(self) -> list[tuple[str | None, list[str]]]:
        """Experiment and names of the spans of each request."""
        return [
            (
                headers.get("x-mlflow-experiment-id"),
                [
                    span.name
                    for group in ExportTraceServiceRequest.FromString(body).resource_spans
                    for scope in group.scope_spans
                    for span in scope.spans
                ],
            )
            for headers, body in self.requests
        ]


@dataclass
class Server:
    """The middleware on a store of its own."""

    middleware: TracesMiddleware
    mlflow: MlflowEndpoint
    experiment_id: str
    traces: Any

    async def post(self, body: bytes, **headers: str) -> tuple[int, bytes]:
        """Status and body of the answer."""
        recorded = {"content-type": "application/x-protobuf"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        scope = {
            "type": "http", "method": "POST", "path": "/v1/traces",
            "headers": [(name.encode(), value.encode()) for name, value in recorded.items()],
        }  # fmt: skip
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self.middleware(scope, receive, send)
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Server]:
    """One with an experiment `e`."""
    monkeypatch.chdir(tmp_path)
    uri = blank_store(tmp_path)
    client = MlflowClient(uri)
    experiment_id = client.create_experiment("e")
    settings = BridgeSettings(tracking_uri=uri, http=Address("127.0.0.1", 0), patience=60)
    experiments = RequestExperimentRouter(uri)
    writer = RequestWriter(settings.max_waiting_bytes)
    intake = Intake(writer, experiments, Metrics(writer), settings)
    endpoint = MlflowEndpoint()
    middleware = TracesMiddleware(
        endpoint, path="/v1/traces", intake=lambda: intake, experiments=experiments, limit=10_000_000
    )

    def traces() -> list[str | None]:
        found = client.search_traces(locations=[experiment_id])
        return [trace.info.tags.get("mlflow.traceName") for trace in found]

    yield Server(middleware, endpoint, experiment_id, traces)
    intake.close()
    writer.close(10)


def fails_at(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the mapping raise for spans of a name, which no span that can be sent does."""
    process = MultiWriterPipeline.process

    def raises(pipeline: MultiWriterPipeline, span: SpanRecord, route: Route) -> None:
        if span.name == name:
            raise TypeError("a defect")
        process(pipeline, span, route)

    monkeypatch.setattr(MultiWriterPipeline, "process", raises)


async def test_a_span_whose_mapping_raises_is_mlflows(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """MLflow's own ingest takes this one alone; the client is answered success, and one log line reports it."""
    fails_at(monkeypatch, "bad")
    body = encoded(ours("good"), ours("bad"), experiment="e")
    with caplog.at_level(logging.INFO, "otel_dspy"):
        assert await server.post(body) == (200, ExportTraceServiceResponse().SerializeToString())
    assert server.mlflow.received() == [(server.experiment_id, ["bad"])]
    assert server.traces() == ["good"]
    assert [record.message for record in caplog.records] == [
        "1 spans were stored by MLflow's own ingest alone: cannot be written to MLflow (TypeError)"
    ]


async def test_mlflows_error_for_such_a_span_is_the_answer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client sends all of it again, which is idempotent."""
    fails_at(monkeypatch, "bad")
    server.mlflow.status = 503
    body = encoded(ours("good"), ours("bad"), foreign("http"))
    assert await server.post(body, x_mlflow_experiment_id=server.experiment_id) == (503, b"MLflow's answer")
    assert server.mlflow.received() == [(server.experiment_id, ["http", "bad"])]


async def test_when_a_commit_raises_mlflow_takes_all_spans(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second attempt meets the defect again; if MLflow does not take them either, the client is asked to retry."""

    def raises(_pipeline: MultiWriterPipeline) -> None:
        raise TypeError("a defect")

    monkeypatch.setattr(MultiWriterPipeline, "send_all", raises)
    body = encoded(ours("one"), ours("two"), experiment="e")
    assert await server.post(body) == (200, b"")
    assert server.mlflow.received() == [(server.experiment_id, ["one", "two"])]
    server.mlflow.status = 422
    assert (await server.post(encoded(ours("three"), experiment="e")))[0] == 503


async def test_any_other_failure_of_ours_leaves_the_request_to_mlflow(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As it was received."""

    def raises() -> Intake:
        raise RuntimeError("cannot start new thread")

    monkeypatch.setattr(server.middleware, "_intake", raises)
    body = encoded(ours("call"))
    with caplog.at_level(logging.INFO, "otel_dspy"):
        assert await server.post(body, x_custom="1") == (200, b"MLflow's answer")
    assert server.mlflow.requests == [({"content-type": "application/x-protobuf", "x-custom": "1"}, body)]
    assert [record.message for record in caplog.records] == [
        "Writing a request as runs failed; its spans are left to MLflow's own ingest"
    ]


async def test_other_paths_and_larger_requests_are_mlflows(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unread, or as they are."""
    monkeypatch.setattr(server.middleware, "_limit", 10)
    assert await server.post(encoded(ours("call"))) == (200, b"MLflow's answer")
    monkeypatch.setattr(server.middleware, "_path", "/prefix/v1/traces")
    assert await server.post(b"otel_dspy") == (200, b"MLflow's answer")
    assert len(server.mlflow.requests) == 2
