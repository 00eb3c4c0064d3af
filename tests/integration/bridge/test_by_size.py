"""Batches split by size: batches that OpenTelemetry's exporters lose whole arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy.exporter import OtlpBySizeExporter
from tests.support.bridges import PATIENCE, running_bridge

if TYPE_CHECKING:
    from collections.abc import Callable

GRPC_DEFAULT = 4 * 2**20
"""Bytes that a gRPC receiver takes by default."""


@pytest.mark.parametrize(
    ("protocol", "taken", "most", "spans"),
    [
        ("grpc", GRPC_DEFAULT, None, 512),
        ("http/protobuf", GRPC_DEFAULT, None, 512),
        # Told too much, it learns what is taken from RESOURCE_EXHAUSTED and 413: with two requests as it was told.
        ("grpc", 2**20, GRPC_DEFAULT, 128),
        ("http/protobuf", 2**20, GRPC_DEFAULT, 128),
    ],
)
def test_spans_of_40_kilobytes_arrive(
    protocol: str, taken: int, most: int | None, spans: int, new_store: Callable[[str], str]
) -> None:
    """A batch of 20 MB, by the SDK's own processor with its default batch of 512, or of 5 MB: 0 lost."""
    store = new_store("m")
    with running_bridge(store, "large", max_request_bytes=taken) as bridge:
        endpoint = (
            f"http://127.0.0.1:{bridge.grpc_port}"
            if protocol == "grpc"
            else f"http://127.0.0.1:{bridge.http_port}/v1/traces"
        )
        exporter = OtlpBySizeExporter(protocol=protocol, max_bytes=most, endpoint=endpoint, timeout=PATIENCE)
        processor = BatchSpanProcessor(exporter, schedule_delay_millis=600_000)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        tracer = provider.get_tracer("otel_dspy")
        with tracer.start_as_current_span("module P", attributes={"dspy.operation.name": "module"}):
            for number in range(spans - 1):
                attributes = {"dspy.operation.name": "module", "dspy.module.input": f"{number} " + "x" * 40_000}
                tracer.start_span("module Q", attributes=attributes).end()
        assert processor.force_flush(int(PATIENCE * 1000))
        processor.shutdown()
        assert exporter.lost == 0
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("large")
    assert experiment is not None
    (trace,) = client.search_traces(locations=[experiment.experiment_id])
    assert len(trace.data.spans) == spans
    assert len({str(span.inputs)[:8] for span in trace.data.spans}) == spans
