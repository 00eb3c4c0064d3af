"""An experiment in a sqlite store in which a test records optimizations."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider

import otel_dspy.mlflow
from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import MlflowSpanProcessor
from tests.support.blank_store import store_with_experiment

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def recording_into(folder: Path) -> Generator[str]:
    """Record in a store in the folder; what has ended is in MLflow when the block ends. Gives its tracking URI."""
    uri = store_with_experiment(folder, "recorded")
    otel_dspy.mlflow.autolog(tracking_uri=uri, experiment="recorded")
    try:
        yield uri
        assert otel_dspy.mlflow.flush()
    finally:
        otel_dspy.mlflow.autolog(disable=True)


@contextmanager
def instrumented_into(folder: Path, **settings: Any) -> Generator[str]:
    """The same with settings of `instrument()`: without them no content is recorded."""
    uri = store_with_experiment(folder, "recorded")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(MlflowSpanProcessor(tracking_uri=uri, experiment="recorded"))
    DSPyInstrumentor().instrument(tracer_provider=provider, **settings)
    try:
        yield uri
        assert otel_dspy.mlflow.flush()
    finally:
        DSPyInstrumentor().uninstrument()
        provider.shutdown()
