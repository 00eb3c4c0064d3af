"""An interrupted stand-alone evaluation: its own run is KILLED, a user's run is not ended."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import dspy
import mlflow
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import MlflowSpanProcessor
from tests.integration.mlflow.conftest import DELIVERY
from tests.support.addition_task import addition_lm, examples
from tests.support.bridges import exporter, running_bridge
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor


def _evaluate(interruption: BaseException) -> None:
    def metric(*_: Any) -> float:
        raise interruption

    evaluate = dspy.Evaluate(devset=examples(2), metric=metric, num_threads=1, display_progress=False)
    with dspy.context(lm=addition_lm()), suppress(KeyboardInterrupt, asyncio.CancelledError):
        evaluate(dspy.Predict("question -> answer"))
        raise AssertionError


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), asyncio.CancelledError()], ids=["ctrl-c", "cancelled"])
def test_its_run_is_killed(interruption: BaseException, server_uri: str) -> None:
    """In process and through a bridge; the error's type is a tag."""
    experiment = f"interrupted-{uuid.uuid4().hex[:8]}"
    mlflow.set_tracking_uri(server_uri)
    mlflow.set_experiment(experiment)
    with running_bridge(server_uri, f"{experiment}-bridge") as bridge:
        in_process = MlflowSpanProcessor()
        by_bridge = BatchSpanProcessor(exporter(bridge, "http"))
        _record(in_process, interruption)
        with mlflow.start_run(run_name="the user's own"):
            _record(in_process, interruption)
        _record(by_bridge, interruption)
        in_process.shutdown()
        by_bridge.shutdown()
    runs = {run.name: run for run in read_tree(server_uri, experiment).runs}
    assert {name: run.status for name, run in runs.items()} == {
        "evaluate Predict": "KILLED",
        "the user's own": "FINISHED",
    }
    (bridged,) = read_tree(server_uri, f"{experiment}-bridge").runs
    assert (bridged.name, bridged.status) == ("evaluate Predict", "KILLED")
    for run in (runs["evaluate Predict"], bridged):
        assert run.tags["error.type"].rpartition(".")[2] == type(interruption).__name__
    assert runs["the user's own"].metrics["usage/lm_calls"] == ((0, 1.0),)


def _record(processor: SpanProcessor, interruption: BaseException) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    DSPyInstrumentor().instrument(tracer_provider=provider)
    try:
        _evaluate(interruption)
    finally:
        DSPyInstrumentor().uninstrument()
    assert processor.force_flush(DELIVERY)
