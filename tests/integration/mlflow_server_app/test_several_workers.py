"""Workers of one server share a compile, and a server that is killed continues it."""

from __future__ import annotations

import os
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace.export import SpanExportResult

from benchmarks.postgres import postgres
from tests.chaos.pipeline import parts
from tests.chaos.pipeline.deployment import needs_database, needs_s3
from tests.chaos.twins import differences, record
from tests.integration.bridge.test_once import deliver
from tests.integration.bridge.test_same_tree import comparable
from tests.support.blank_store import blank_store
from tests.support.mlflow_server import WITH_APP, free_port, mlflow_server
from tests.support.mlflow_server_app_exporters import app_exporter
from tests.support.recorded_optimization import recorded_optimization

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import ReadableSpan

    Batches = Sequence[Sequence[ReadableSpan]]

EXPERIMENT = "once"
SENDERS = 6


def options(workers: int) -> tuple[str, ...]:
    """The app with a number of workers."""
    return (*WITH_APP, "--workers", str(workers))


def expected(batches: Batches, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What one writer makes of the batches, delivered in order."""
    folder.mkdir()
    monkeypatch.chdir(folder)  # artifacts of a local store go below it
    reference = blank_store(folder)
    deliver(reference, [encode_spans(batch).SerializeToString() for batch in batches], writers=1, restart=0)
    return comparable(record(reference, EXPERIMENT))


def shuffled(batches: Batches, seed: int) -> Batches:
    """All batches, a third of them twice."""
    chance = random.Random(seed)  # noqa: S311 - chance, no secret
    some = [*batches, *chance.sample(batches, len(batches) // 3)]
    chance.shuffle(some)
    return some


def send(exporter: OTLPSpanExporter, batches: Batches) -> list[SpanExportResult]:
    """Export the batches, some at a time, each on a connection of its own."""
    with ThreadPoolExecutor(SENDERS) as senders:
        return list(senders.map(exporter.export, batches))


@pytest.mark.slow
def test_four_workers_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches in any order, some twice, dealt out by the operating system: the tree is that of one writer."""
    batches = recorded_optimization()
    wanted = expected(batches, tmp_path / "reference", monkeypatch)
    with mlflow_server(tmp_path / "server", options=options(4), forked=False) as server:
        exporter = app_exporter(server, MlflowClient(server.uri).create_experiment(EXPERIMENT))
        assert set(send(exporter, shuffled(batches, 1))) == {SpanExportResult.SUCCESS}
        assert differences(comparable(record(server.uri, EXPERIMENT)), wanted) == []


@needs_database
@needs_s3
@pytest.mark.slow
def test_four_workers_on_postgresql_and_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, with the stores of a production server: connections of several processes, artifacts as objects."""
    batches = recorded_optimization()
    wanted = expected(batches, tmp_path / "reference", monkeypatch)
    storage, environment = parts.s3(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    on_s3 = (*options(4), "--artifacts-destination", f"s3://{parts.BUCKET}/artifacts")
    with (
        parts.alive(storage),
        postgres() as database,
        mlflow_server(tmp_path / "server", backend=database, options=on_s3, forked=False) as server,
    ):
        exporter = app_exporter(server, MlflowClient(server.uri).create_experiment(EXPERIMENT))
        assert set(send(exporter, shuffled(batches, 3))) == {SpanExportResult.SUCCESS}
        assert differences(comparable(record(server.uri, EXPERIMENT)), wanted) == []
    objects = tmp_path / "objects" / parts.BUCKET / "artifacts"
    assert list(objects.rglob("optimization_summary.json"))


@pytest.mark.slow
def test_a_server_that_is_killed_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`kill -9` of the server and its workers while requests wait: exporters send again, and nothing is there twice."""
    batches = recorded_optimization()
    wanted = expected(batches, tmp_path / "reference", monkeypatch)
    sent = shuffled(batches, 2)
    port = free_port()
    with mlflow_server(tmp_path / "server", options=options(2), port=port, forked=False) as server:
        exporter = app_exporter(server, MlflowClient(server.uri).create_experiment(EXPERIMENT))
        assert set(send(exporter, sent[: len(sent) // 3])) == {SpanExportResult.SUCCESS}
        results: list[SpanExportResult] = []
        rest = threading.Thread(target=lambda: results.extend(send(exporter, sent[len(sent) // 3 :])))
        rest.start()
        os.killpg(server.group, signal.SIGKILL)
    with mlflow_server(tmp_path / "server", options=options(2), port=port, forked=False) as server:
        rest.join()
        # OpenTelemetry's exporter gives up some requests: a Collector would send them again.
        again = [
            batch
            for batch, result in zip(sent[len(sent) // 3 :], results, strict=True)
            if result is not SpanExportResult.SUCCESS
        ]
        assert set(send(exporter, again)) <= {SpanExportResult.SUCCESS}
        assert differences(comparable(record(server.uri, EXPERIMENT)), wanted) == []
