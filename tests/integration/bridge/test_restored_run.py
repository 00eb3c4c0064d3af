"""A run that somebody deletes and restores in MLflow while a bridge writes it."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from mlflow import MlflowClient
from mlflow.entities import ViewType

from otel_dspy.bridge.multi_writer.multi_writer_pipeline import MultiWriterPipeline
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.records.sdk_span import span_record
from otel_dspy.otlp_requests.protobuf_spans import ReceivedSpan
from otel_dspy.otlp_requests.span_route import routed
from tests.integration.bridge.test_stress import compiles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest
    from opentelemetry.sdk.trace import ReadableSpan


def test_a_bridge_writes_to_a_restored_run(new_store: Callable[[str], str], caplog: pytest.LogCaptureFixture) -> None:
    """One line names each deleted run. Once it is restored it is written again, and gets the rest by the same spans."""
    uri, pipeline = new_store("m"), MultiWriterPipeline(threading.Event())
    client, destination = MlflowClient(uri), Destination(uri, Experiment(id="0"))

    def receive(spans: Sequence[ReadableSpan]) -> None:
        for span in spans:
            received = ReceivedSpan(span_record(span), local_root=span.parent is None)
            pipeline.process(*routed(received, destination))
        pipeline.send_all()

    spans = list(compiles(1, 1, nested=False))
    names = [span.name for span in spans]
    evaluated, ended = names.index("evaluate exact_match"), names.index("compile MIPROv2")
    receive(spans[:evaluated])
    deleted = [run.info.run_id for run in client.search_runs(["0"])]
    for run_id in deleted:
        client.delete_run(run_id)
    with caplog.at_level(logging.WARNING, "otel_dspy"):
        receive(spans[evaluated:ended])
    lines = [record.getMessage() for record in caplog.records]
    assert sorted(line.split()[1] for line in lines) == sorted(deleted)
    assert all("until it is restored" in line for line in lines)
    assert pipeline.lost > 0
    for run_id in deleted:
        client.restore_run(run_id)
    lost = pipeline.lost
    receive(spans[ended:])
    assert pipeline.lost == lost
    assert _statuses(client, deleted) == ["FINISHED", "RUNNING"]  # the trial's end was rejected
    receive(spans)  # as the queue has them at the bridge's next start
    assert pipeline.lost == lost
    assert _statuses(client, deleted) == ["FINISHED"] * 2
    assert all("score/full" in client.get_run(run_id).data.metrics for run_id in deleted)
    assert client.search_runs(["0"], run_view_type=ViewType.DELETED_ONLY) == []


def _statuses(client: MlflowClient, run_ids: Sequence[str]) -> list[str]:
    return sorted(str(client.get_run(run_id).info.status) for run_id in run_ids)
