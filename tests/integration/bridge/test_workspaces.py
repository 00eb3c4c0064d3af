"""Workspaces: a header or a resource attribute selects the workspace of spans."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.integration.bridge.test_receiving import get, post, request
from tests.integration.mlflow.contract_spans import CountedIds, SpanEmitter, provider
from tests.integration.mlflow.test_workspaces import compiles, emit_compile, read
from tests.support.bridges import exporter, running_bridge

if TYPE_CHECKING:
    from otel_dspy.bridge.service import Bridge
    from tests.support.mlflow_server import MlflowServer

DELIVERY = 240_000
"""Milliseconds that a delivery may take on a loaded machine."""
HEADER = "x-mlflow-workspace"
ATTRIBUTE = "mlflow.workspace.name"


def send(bridge: Bridge, protocol: str, compile_id: str, *, header: str | None, attribute: str | None) -> None:
    """Emit a compile as a program whose exporter has that header and whose resource has that attribute."""
    headers = {HEADER: header} if header else None
    resource = Resource({ATTRIBUTE: attribute} if attribute else {})
    made = TracerProvider(resource=resource, id_generator=CountedIds(uuid.uuid4().int >> 97), shutdown_on_exit=False)
    sending = BatchSpanProcessor(exporter(bridge, protocol, headers=headers), schedule_delay_millis=100)
    made.add_span_processor(sending)
    emit_compile(SpanEmitter(made.get_tracer("otel_dspy"), compile_id=compile_id))
    assert sending.force_flush(DELIVERY)
    made.shutdown()


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_programs_in_two_workspaces_at_once(workspace_server: MlflowServer, protocol: str) -> None:
    """By header, by attribute (which wins) and by neither, side by side: each compile is whole where it belongs."""
    experiment = f"test-{uuid.uuid4().hex[:12]}"
    programs: list[dict[str, Any]] = [
        {"compile_id": "by-header", "header": "team-a", "attribute": None},
        {"compile_id": "by-attribute", "header": "team-a", "attribute": "team-b"},
        {"compile_id": "by-neither", "header": None, "attribute": None},
    ]
    with running_bridge(workspace_server.uri, experiment, workspace="default") as bridge:
        with ThreadPoolExecutor(len(programs)) as pool:
            sent = [pool.submit(send, bridge, protocol, **program) for program in programs]
        for one in sent:
            one.result()
        assert bridge.writer.pipeline.lost == 0
    found = {name: compiles(workspace_server.uri, name, experiment) for name in ("default", "team-a", "team-b")}
    assert found == {"default": ["by-neither"], "team-a": ["by-header"], "team-b": ["by-attribute"]}


def test_a_second_bridge_continues_after_the_first_has_stopped(workspace_server: MlflowServer) -> None:
    """The pieces of a program that the first one has kept in the workspace are read there by the second."""
    experiment = f"test-{uuid.uuid4().hex[:12]}"
    kept = InMemorySpanExporter()
    tracer = provider(SimpleSpanProcessor(kept), uuid.uuid4().int >> 97).get_tracer("otel_dspy")
    emit_compile(SpanEmitter(tracer, compile_id="in-two-parts"))
    pieces = [span for span in kept.get_finished_spans() if span.name == "payload"]
    rest = [span for span in kept.get_finished_spans() if span.name != "payload"]
    for some in (pieces, rest):
        with running_bridge(workspace_server.uri, experiment) as bridge:
            sending = exporter(bridge, "http", headers={HEADER: "team-b"})
            assert sending.export(some) is SpanExportResult.SUCCESS
            assert bridge.writer.pipeline.lost == 0
    assert compiles(workspace_server.uri, "team-b", experiment) == ["in-two-parts"]


def test_a_workspace_that_cannot_be(workspace_server: MlflowServer) -> None:
    """A name that is none costs its spans and nothing else; one that is not there is rejected by MLflow, and logged."""
    experiment = f"test-{uuid.uuid4().hex[:12]}"
    with running_bridge(workspace_server.uri, experiment, workspace="team-a") as bridge:
        for name in ("Team A", "../b", "a\u00e9"):
            status, answer, _ = post(bridge, json.dumps(request(1)).encode(), x_mlflow_workspace=name)
            assert (status, answer["partialSuccess"]["rejectedSpans"]) == (200, "1")
            assert answer["partialSuccess"]["errorMessage"] == f"{HEADER} is not a valid workspace name"
        status, answer, _ = post(bridge, json.dumps(request(2)).encode(), x_mlflow_workspace="nowhere")
        assert status == 200
        assert answer["partialSuccess"]["errorMessage"].startswith("MLflow rejected ")
        assert post(bridge, json.dumps(request(3)).encode())[:2] == (200, {})
        # MLflow keeps a trace id once, whatever the workspace.
        status, answer, _ = post(bridge, json.dumps(request(3)).encode(), x_mlflow_workspace="team-b")
        assert status == 200
        assert answer["partialSuccess"]["errorMessage"].startswith("MLflow rejected ")
        assert get(bridge, "/readyz") == (200, "ready\n")
    tree = read(workspace_server.uri, "team-a", experiment)
    assert tree is not None
    assert [trace.name for trace in tree.traces] == ["module P"]


def test_it_is_not_ready_without_its_workspace(workspace_server: MlflowServer) -> None:
    """One that MLflow does not have, as the one of spans that name none."""
    with running_bridge(workspace_server.uri, "E", workspace="nowhere") as bridge:
        assert get(bridge, "/readyz")[0] == 503
