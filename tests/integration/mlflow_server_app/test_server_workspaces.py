"""Workspaces of `mlflow server --app-name otel-dspy`: MLflow's header selects them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from mlflow.tracking._workspace.client import WorkspaceProviderClient
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy.mlflow.tracking.requests import workspaces
from tests.integration.mlflow.contract_spans import CountedIds, SpanEmitter
from tests.integration.mlflow.test_workspaces import compiles, emit_compile
from tests.integration.mlflow_server_app.test_endpoint import post
from tests.integration.mlflow_server_app.test_trace_batches import BATCH, one_trace
from tests.support.bridges import PATIENCE
from tests.support.mlflow_server import WITH_APP, mlflow_server

if TYPE_CHECKING:
    from pathlib import Path

DELIVERY = 240_000
EXPERIMENT = "sums"


def send(uri: str, compile_id: str, first_id: int, header: dict[str, str], resource: dict[str, str]) -> None:
    """Emit a compile as a program whose exporter has that header and whose resource has these attributes."""
    exporter = OTLPSpanExporter(f"{uri}/v1/traces", headers=header, timeout=PATIENCE)
    provider = TracerProvider(
        resource=Resource({"mlflow.experiment.name": EXPERIMENT, **resource}), id_generator=CountedIds(first_id),
        shutdown_on_exit=False,
    )  # fmt: skip
    sending = BatchSpanProcessor(exporter)
    provider.add_span_processor(sending)
    emit_compile(SpanEmitter(provider.get_tracer("otel_dspy"), compile_id=compile_id))
    assert sending.force_flush(DELIVERY)
    provider.shutdown()


@pytest.mark.slow
def test_spans_go_to_the_workspace_of_the_request(tmp_path: Path) -> None:
    """Runs, artifacts and traces. A resource that names another workspace than the request is rejected."""
    with mlflow_server(tmp_path, options=(*WITH_APP, "--enable-workspaces"), forked=False) as server:
        WorkspaceProviderClient(server.uri).create_workspace("team-a")
        send(server.uri, "by-header", 1, {"x-mlflow-workspace": "team-a"}, {})
        send(server.uri, "by-neither", 1000, {}, {})
        send(server.uri, "elsewhere", 2000, {}, {"mlflow.workspace.name": "team-a"})
        found = {name: compiles(server.uri, name, EXPERIMENT) for name in ("team-a", "default")}
        assert found == {"team-a": ["by-header"], "default": ["by-neither"]}
        header = {"x-mlflow-workspace": "team-a"}
        with workspaces.selected("team-a"):
            experiment = MlflowClient(server.uri).create_experiment("of-team-a")
        batch = BATCH | {"x-mlflow-experiment-id": experiment}
        _, _, elsewhere = post(server.uri, one_trace(experiment), batch)
        _, _, there = post(server.uri, one_trace(experiment), batch | header)
        assert [json.loads(answer)["accepted"] for answer in (elsewhere, there)] == [[False, None], [True, True]]
    artifacts = tmp_path / "artifacts"
    stored = {path.relative_to(artifacts).parts[:2] for path in artifacts.rglob("*.json")}
    assert stored == {("workspaces", "team-a"), ("workspaces", "default")}
