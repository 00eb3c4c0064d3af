"""Tools that return nothing much: MLflow shows what they returned, and not that they returned nothing."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

import dspy
from mlflow import MlflowClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import MlflowSpanProcessor
from tests.support.blank_store import blank_store
from tests.support.bridges import exporter, running_bridge

if TYPE_CHECKING:
    from pathlib import Path

_DELIVERY: Final = 120_000
"""Milliseconds."""
_dspy: Any = dspy
_RETURNED: Final[dict[str, Any]] = {
    "empty text": "", "empty list": [], "empty object": {}, "zero": 0, "false": False, "none": None, "text": "found",
}  # fmt: skip
_SHOWN: Final = _RETURNED | {"zero": "0", "false": "false", "none": "null"}
"""Numbers, truth values and None are in `gen_ai.tool.call.result` as text."""


def _use_tools() -> None:
    for name, result in _RETURNED.items():
        tool: Any = _dspy.Tool(lambda result=result: result, name=name, args={})
        assert tool() == result


def test_what_a_tool_returned_is_shown(tmp_path: Path, server_uri: str) -> None:
    """MLflow takes an empty result of the GenAI conventions for none. In process, on a server and through a bridge."""
    experiment = f"tools-{uuid.uuid4().hex}"
    stores = [blank_store(tmp_path, "process.db"), server_uri, blank_store(tmp_path, "bridge.db")]
    with running_bridge(stores[2], experiment) as bridge:
        processors = [
            MlflowSpanProcessor(tracking_uri=stores[0], experiment=experiment),
            MlflowSpanProcessor(tracking_uri=stores[1], experiment=experiment),
            BatchSpanProcessor(exporter(bridge, "http")),
        ]
        provider = TracerProvider(shutdown_on_exit=False)
        for processor in processors:
            provider.add_span_processor(processor)
        DSPyInstrumentor().instrument(tracer_provider=provider, capture_content=True)
        try:
            _use_tools()
        finally:
            DSPyInstrumentor().uninstrument()
        for processor in processors:
            assert processor.force_flush(_DELIVERY)
            processor.shutdown()
    for store in stores:
        client: Any = MlflowClient(store)
        traces = client.search_traces(locations=[client.get_experiment_by_name(experiment).experiment_id])
        spans = [span for trace in traces for span in trace.data.spans]
        assert {span.name.removeprefix("execute_tool "): span.outputs for span in spans} == _SHOWN
        assert [span.inputs for span in spans] == [{}] * len(_RETURNED)
