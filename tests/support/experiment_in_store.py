"""A local MLflow store with an experiment, in which DSPy is recorded with all content."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_dspy.mlflow import MlflowSpanProcessor
from tests.support.blank_store import store_with_experiment
from tests.support.instrumented_dspy import instrumented

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

EXPERIMENT = "reported"


def store(folder: Path) -> str:
    """An empty store with an experiment, whose artifacts are below the folder; its tracking URI."""
    return store_with_experiment(folder, EXPERIMENT)


@contextmanager
def recorded(uri: str, *, capture_programs: bool = True) -> Generator[InMemorySpanExporter]:
    """Record DSPy in the store, and its spans."""
    kept = InMemorySpanExporter()
    processor = MlflowSpanProcessor(tracking_uri=uri, experiment=EXPERIMENT)
    try:
        with instrumented(SimpleSpanProcessor(kept), processor, capture_programs=capture_programs):
            yield kept
    finally:
        processor.shutdown()
