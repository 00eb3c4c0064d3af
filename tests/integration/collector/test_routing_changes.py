"""The list of bridges changes while a compile is under way: its spans go elsewhere from then on, MLflow holds the same."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_dspy.mlflow import MlflowSpanProcessor
from tests.chaos.twins import differences, record
from tests.integration.bridge.test_same_tree import comparable, instrumented_by
from tests.integration.collector.test_configurations import DELIVERY, EXPERIMENT, await_that, ids, taken
from tests.support.bridges import running_bridge
from tests.support.collectors import FOLDER, needs_collector, running_collector
from tests.support.gated_optimization import GatedOptimization

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def ended_runs(store: str) -> int:
    """How many runs have ended."""
    client = MlflowClient(store)
    found = client.get_experiment_by_name(EXPERIMENT)
    chosen = "attributes.status = 'FINISHED'"
    return len(client.search_runs([found.experiment_id], chosen)) if found is not None else 0


@needs_collector
@pytest.mark.parametrize("stays", [True, False], ids=["added", "exchanged"])
def test_a_list_that_changes_in_the_middle_of_a_compile(
    new_store: Callable[[str], str], tmp_path: Path, *, stays: bool
) -> None:
    """After the first trial loadbalanced.yaml names a second bridge too, or that one alone: what one bridge would write."""
    store, reference = new_store("collected"), new_store("reference")
    optimization, kept = GatedOptimization(3 * DELIVERY), InMemorySpanExporter()
    with (
        running_bridge(store, EXPERIMENT, patience=8) as first,
        running_bridge(store, EXPERIMENT, patience=8) as second,
    ):
        one, other = (f"127.0.0.1:{bridge.grpc_port}" for bridge in (first, second))
        with (
            running_collector(
                FOLDER / "loadbalanced.yaml",
                tmp_path / "collector",
                {"BRIDGE_1_ENDPOINT": one, "BRIDGE_2_ENDPOINT": one},
            ) as collector,
            optimization.released(),
        ):
            in_process = MlflowSpanProcessor(tracking_uri=reference, experiment=EXPERIMENT)
            by_otlp = BatchSpanProcessor(
                OTLPSpanExporter(f"http://{collector.grpc}", timeout=DELIVERY), schedule_delay_millis=200
            )
            processors = [in_process, by_otlp, SimpleSpanProcessor(kept)]
            program = threading.Thread(target=instrumented_by, args=(processors, "linked", optimization), daemon=True)
            program.start()
            optimization.let(0)
            await_that(lambda: ended_runs(store) == 1 and bool(taken(first)), "the first trial's end")
            collector.stop()
            collector.change(BRIDGE_1_ENDPOINT=one if stays else other, BRIDGE_2_ENDPOINT=other)
            collector.start()
            optimization.let(1)
            program.join(DELIVERY)
            for processor in (by_otlp, in_process):
                assert processor.force_flush(int(DELIVERY * 1000))
                processor.shutdown()
            recorded = ids(kept.get_finished_spans())
            await_that(lambda: taken(first) | taken(second) == recorded, "all at the bridges")
        by_operation = {
            operation: ids([span for span in kept.get_finished_spans() if span.name.startswith(operation)])
            for operation in ("setup", "compile")
        }
        assert by_operation["setup"] <= taken(first)
        if not stays:
            assert not by_operation["setup"] & taken(second)
            assert by_operation["compile"] <= taken(second) - taken(first)
    assert differences(comparable(record(store, EXPERIMENT)), comparable(record(reference, EXPERIMENT))) == []
