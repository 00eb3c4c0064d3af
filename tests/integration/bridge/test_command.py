"""`otel-dspy bridge` as a process: addresses, kill, restart."""

from __future__ import annotations

import signal
import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from mlflow import MlflowClient
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy import cli
from tests.chaos.twins import record
from tests.integration.bridge.test_same_tree import instrumented_by
from tests.support.blank_store import blank_store
from tests.support.bridge_process import bridge_process
from tests.support.gated_optimization import GatedOptimization
from tests.support.mlflow_server import free_port
from tests.support.persistent_exporter import PersistentExporter
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE = 90.0
"""Seconds to wait for what takes seconds, on a loaded machine."""
EXPORT = 120.0


@pytest.mark.parametrize(
    ("queue", "kind"),
    [("queue", "sqlite"), *(pytest.param(queue, "server", marks=pytest.mark.slow) for queue in ("queue", "none"))],
)
def test_the_bridge_as_a_process(
    queue: str, kind: str, request: pytest.FixtureRequest, new_store: Callable[[str], str]
) -> None:
    """Live: parent with its parameters while the first trial runs. Killed between two trials, another goes on: whole.

    At its end, on SIGTERM, the exit status is 0.
    """
    experiment, port = f"live-{uuid.uuid4().hex[:8]}", free_port()
    store = new_store("live")  # which moves to the test's folder, where the queue is
    uri: str = request.getfixturevalue("server_uri") if kind == "server" else store
    client = MlflowClient(uri)
    optimization = GatedOptimization(3 * PATIENCE)

    def runs() -> dict[str, Any]:
        found = client.get_experiment_by_name(experiment)
        return {str(run.info.run_name): run for run in client.search_runs([found.experiment_id])} if found else {}

    exporter = PersistentExporter(OTLPSpanExporter(f"http://127.0.0.1:{port}", timeout=EXPORT))
    processor = BatchSpanProcessor(exporter, schedule_delay_millis=200)
    program = threading.Thread(target=lambda: instrumented_by([processor], "linked", optimization))
    with optimization.released():
        with bridge_process(uri, experiment, port, queue=queue, forked=False) as first:
            program.start()
            parent = awaited(lambda: runs().get("Rounds Predict"), "the parent run", PATIENCE)
            assert parent.info.status == "RUNNING"
            awaited(
                lambda: client.get_run(parent.info.run_id).data.params.get("rounds") == "2", "its parameters", PATIENCE
            )
            optimization.let(0)
            awaited(lambda: [name for name in runs() if name.startswith("trial 0")], "the first trial", PATIENCE)
            first.process.kill()
        optimization.let(1)
        with bridge_process(uri, experiment, port, queue=queue) as second:
            program.join()
            assert processor.force_flush(int(EXPORT * 1000))
            awaited(lambda: runs()["Rounds Predict"].info.status == "FINISHED", "its end", PATIENCE)
            second.process.send_signal(signal.SIGTERM)
            assert second.process.wait(PATIENCE) == 0
    processor.shutdown()
    recorded = record(uri, experiment)
    (whole,) = recorded["runs"]
    assert [child["status"] for child in whole["children"]] == ["FINISHED"] * 2
    assert [len(child["traces"]) for child in whole["children"]] == [2, 2]
    # The second bridge has received the second trial alone.
    assert [trial["index"] for trial in whole["artifacts"]["optimization_summary.json"]["trials"]] == [0, 1]
    assert {"initial_model.json", "best_model.json", "trainset.json"} <= set(whole["artifacts"])
    assert all({"model.json", "changes.md"} <= set(child["artifacts"]) for child in whole["children"])


def test_a_port_in_use_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 1, and which it was; nothing listens on the other one."""
    import socket  # noqa: PLC0415 - this test alone

    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = ["bridge", "--tracking-uri", blank_store(tmp_path), "--grpc", "127.0.0.1:0", "--queue", "queue"]
        assert cli.main([*arguments, "--http", f"127.0.0.1:{port}"]) == 1
    assert "cannot listen" in capsys.readouterr().err


def test_the_collectors_configuration_fits_the_bridge(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its exporter leads to where the bridge listens, with its token by variable, and keeps what is not acknowledged."""
    monkeypatch.setenv("OTEL_DSPY_BRIDGE_TOKEN", "geheim")
    arguments = ["bridge", "--tracking-uri", "http://m", "--print-collector-config"]
    assert cli.main([*arguments, "--grpc", "127.0.0.1:7"]) == 0
    text = capsys.readouterr().out
    assert "geheim" not in text
    config = yaml.safe_load(text)
    exporter = config["exporters"]["otlp/bridge"]
    assert exporter["endpoint"] == "127.0.0.1:7"
    assert exporter["headers"] == {"authorization": "Bearer ${env:OTEL_DSPY_BRIDGE_TOKEN}"}
    assert exporter["retry_on_failure"]["max_elapsed_time"] == "0s"
    assert exporter["sending_queue"]["storage"] in config["service"]["extensions"]
    assert config["service"]["pipelines"]["traces"]["exporters"] == ["otlp/bridge"]
    assert cli.main([*arguments, "--grpc", "off", "--http", "127.0.0.1:8"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["exporters"]["otlphttp/bridge"]["endpoint"] == "http://127.0.0.1:8"
