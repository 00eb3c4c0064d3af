"""A bridge with its queue on disk: what is acknowledged is in MLflow in the end, once."""

from __future__ import annotations

import json
import random
import signal
import time
import urllib.request
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from mlflow import MlflowClient
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from benchmarks.bridge_load import send
from otel_dspy import cli
from otel_dspy.bridge.request_answer import RETRY_AFTER
from otel_dspy.bridge.request_writer import RequestWriter
from otel_dspy.bridge.servers.grpc_server import RETRY_INFO
from tests.chaos.faulty_proxy import faulty_proxy
from tests.chaos.twins import differences, record
from tests.integration.bridge.test_receiving import TOKEN, call, get, post, refused_with, request, traces
from tests.integration.bridge.test_same_instant import await_written, submit
from tests.integration.bridge.test_same_tree import comparable
from tests.integration.bridge.test_shutdown import DRAIN, ended
from tests.integration.bridge.test_stress import compiles, in_order
from tests.support.bridge_process import bridge_process
from tests.support.bridges import PATIENCE, running_bridge
from tests.support.mlflow_server import free_port
from tests.support.silent_server import silent_server
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.bridge_load import Request
    from tests.support.bridge_process import BridgeProcess

SPANS_AT_ONCE = 12


def json_request(number: int) -> bytes:
    """One span, as JSON."""
    return json.dumps(request(number)).encode()


def protobuf_request(number: int) -> bytes:
    """One span, as protobuf."""
    body = ExportTraceServiceRequest()
    span = body.resource_spans.add().scope_spans.add(scope={"name": "otel_dspy"}).spans.add()
    span.trace_id, span.span_id = number.to_bytes(16, "big"), number.to_bytes(8, "big")
    span.start_time_unix_nano = span.end_time_unix_nano = 1
    span.attributes.add(key="dspy.operation.name").value.string_value = "module"
    return body.SerializeToString()


def test_while_mlflow_is_down_requests_are_acknowledged_and_kept(server_uri: str, tmp_path: Path) -> None:
    """By both protocols; the bridge stays ready, and the next one writes them, where their headers wanted them."""
    queue, experiment = tmp_path / "queue", f"queue-{uuid.uuid4().hex[:8]}"
    first = uuid.uuid4().int >> 66  # MLflow keeps a trace id once, and the server is shared
    with faulty_proxy(server_uri, faults=["503"], share=1.0) as mlflow:
        settings: dict[str, Any] = {"queue": queue, "token": TOKEN, "drain_timeout": 60.0}
        with running_bridge(mlflow.uri, experiment, **settings) as bridge:
            authorized = {"authorization": f"Bearer {TOKEN}"}
            headers = authorized | {"x_mlflow_experiment_name": f"{experiment}-other"}
            assert post(bridge, json_request(first), **headers)[:2] == (200, {})
            assert call(bridge, protobuf_request(first + 1), **authorized) == ExportTraceServiceResponse()
            assert post(bridge, json_request(first + 2))[0] == 401
            awaited(lambda: bridge.writer.failing_since is not None, "the first failure")
            assert get(bridge, "/readyz") == (200, "ready\n")
            metrics = get(bridge, "/metrics", **authorized)[1]
            assert "otel_dspy_bridge_queue_requests 2.0" in metrics
            assert "otel_dspy_bridge_mlflow_up 0.0" in metrics
        assert TOKEN.encode() not in b"".join(path.read_bytes() for path in queue.iterdir())
        mlflow.share = 0.0
        # Its own default does not apply to what the first one has received.
        with running_bridge(mlflow.uri, "unused", **settings) as bridge:
            awaited(lambda: bridge.queue and bridge.queue.requests == 0, "both", PATIENCE)
            assert "otel_dspy_bridge_queue_oldest_seconds 0.0" in get(bridge, "/metrics", **authorized)[1]
    assert (traces(server_uri, experiment), traces(server_uri, f"{experiment}-other")) == (1, 1)
    assert MlflowClient(server_uri).get_experiment_by_name("unused") is None


def test_a_full_queue_asks_clients_to_retry(tmp_path: Path) -> None:
    """503 with Retry-After, UNAVAILABLE with RetryInfo; the bridge is not ready, but alive."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    with running_bridge(nowhere, "E", queue=tmp_path, max_queue_bytes=500, drain_timeout=1.0) as bridge:
        assert post(bridge, json_request(1))[0] == 200
        status, answer, headers = post(bridge, json_request(2))
        assert (status, headers["Retry-After"]) == (503, str(RETRY_AFTER))
        assert answer["message"] == "the bridge's queue is full; send the request again"
        with refused_with("UNAVAILABLE") as metadata:
            call(bridge, protobuf_request(2))
        expected = RetryInfo(retry_delay=Duration(seconds=RETRY_AFTER)).SerializeToString()
        assert (RETRY_INFO, expected) in [(item.key, item.value) for item in metadata]
        assert get(bridge, "/readyz") == (503, "the queue is full (--max-queue-bytes)\n")
        assert get(bridge, "/healthz")[0] == 200
        assert 'otel_dspy_bridge_refused_spans_total{reason="no room"} 2.0' in get(bridge, "/metrics")[1]


def test_what_mlflow_rejects_does_not_hold_up_the_rest(new_store: Callable[[str], str], tmp_path: Path) -> None:
    """Spans for a deleted experiment are kept apart, and again after a start while it stays deleted."""
    store = new_store("m")
    client = MlflowClient(store)
    deleted = client.create_experiment("gone")
    client.delete_experiment(deleted)
    with running_bridge(store, "E", queue=tmp_path / "queue") as bridge:
        assert post(bridge, json_request(1), x_mlflow_experiment_name="gone")[:2] == (200, {})
        assert post(bridge, json_request(2))[:2] == (200, {})
        awaited(lambda: bridge.queue and bridge.queue.requests == 0, "both", PATIENCE)
        assert "otel_dspy_bridge_queue_rejected_requests 1.0" in get(bridge, "/metrics")[1]
    assert traces(store, "E") == 1
    client.restore_experiment(deleted)
    with running_bridge(store, "E", queue=tmp_path / "queue") as bridge:
        awaited(lambda: bridge.queue and bridge.queue.requests == 0, "the first", PATIENCE)
    assert traces(store, "gone") == 1


def test_a_second_bridge_with_the_same_queue_does_not_start(
    new_store: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 1, with the folder and the first one's process; neither listens twice nor writes."""
    store, queue = new_store("m"), tmp_path / "queue"
    arguments = ["bridge", "--tracking-uri", store, "--grpc", "127.0.0.1:0", "--http", "off", "--queue", str(queue)]
    with running_bridge(store, "E", queue=queue):
        assert cli.main(arguments) == 1
    assert f"--queue: {queue} is used by another bridge (process " in capsys.readouterr().err


def _metric(bridge: BridgeProcess, name: str) -> float:
    with urllib.request.urlopen(f"{bridge.http}/metrics", timeout=PATIENCE) as answer:  # noqa: S310 - loopback
        lines = str(answer.read().decode()).splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


def _requests(spans: Sequence[Any]) -> list[Request]:
    chunks = [spans[start : start + SPANS_AT_ONCE] for start in range(0, len(spans), SPANS_AT_ONCE)]
    return [(len(chunk), encode_spans(chunk).SerializeToString()) for chunk in chunks]


def _without_source(recorded: dict[str, Any]) -> dict[str, Any]:
    """A record without the tags in which MLflow notes the git repository of the writing process's main file."""

    def cleaned(run: dict[str, Any]) -> dict[str, Any]:
        tags = {name: value for name, value in run["tags"].items() if not name.startswith("mlflow.source.")}
        return {**run, "tags": tags, "children": [cleaned(child) for child in run["children"]]}

    return {**recorded, "runs": [cleaned(run) for run in recorded["runs"]]}


@pytest.mark.slow
@pytest.mark.parametrize("kills", [1, 6])
def test_killed_while_it_writes(
    kills: int, server_uri: str, new_store: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kill -9` after the acknowledgment, each time at another place of the writing: the next one goes on, once.

    The queue is the default one, beside the spool.
    """
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    chance, port, client = random.Random(kills), free_port(), MlflowClient(server_uri)  # noqa: S311 - no secret
    trials = min(kills, 4)
    spans = [*compiles(1, trials, nested=False), *compiles(1, trials, nested=True)]
    reference, experiment = new_store("reference"), f"instant-{uuid.uuid4().hex[:8]}"
    writer = RequestWriter(2**30)
    await_written(submit(writer, reference, spans))
    writer.close(60)
    experiment_id = client.create_experiment(experiment)
    for number in range(kills):
        with bridge_process(server_uri, experiment, port, queue="") as bridge:
            if number == 0:
                assert bridge.output.readline() == f"queue in {tmp_path}/state/otel-dspy/bridge/{port}-0\n"
                send(bridge.http, _requests(spans), {})
                awaited(lambda: client.search_runs([experiment_id]), "the first run", PATIENCE)
            else:
                time.sleep(chance.uniform(0, 2))
            bridge.process.kill()
    with bridge_process(server_uri, experiment, port, queue="") as bridge:
        awaited(lambda: _metric(bridge, "otel_dspy_bridge_queue_requests") == 0, "the rest", PATIENCE)
        assert _metric(bridge, "otel_dspy_bridge_queue_rejected_requests") == 0
        bridge.process.send_signal(signal.SIGTERM)
        assert bridge.process.wait(PATIENCE) == 0
    found, expected = (
        _without_source(in_order(comparable(record(uri, name))))
        for uri, name in ((server_uri, experiment), (reference, "instant"))
    )
    assert differences(found, expected) == []


def test_what_is_left_at_the_end_is_reported(tmp_path: Path) -> None:
    """MLflow accepts connections and answers nothing: on SIGTERM the bridge ends within its bound, with one line."""
    log = tmp_path / "log"
    with ExitStack() as stack:
        mlflow = stack.enter_context(silent_server())
        errors = stack.enter_context(log.open("w"))
        bridge = stack.enter_context(
            bridge_process(
                mlflow.address,
                "x",
                free_port(),
                errors=errors,
                drain_timeout=str(DRAIN),
                queue=f"{tmp_path}/q",
            )
        )
        assert send(bridge.http, [(1, protobuf_request(1))], {}) == 1
        awaited(lambda: mlflow.connections, "the writer's request", PATIENCE)
        assert ended(bridge) == 0
    size = len(protobuf_request(1)) + 256
    expected = f"1 requests ({size} bytes) stay in the queue {tmp_path}/q; the next bridge with this queue writes them"
    assert log.read_text().count(expected) == 1
