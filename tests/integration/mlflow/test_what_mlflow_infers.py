"""Values that MLflow infers from spans: token sums of a trace, names of models."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
from mlflow import MlflowClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import MlflowSpanProcessor
from tests.support.blank_store import blank_store
from tests.support.bridges import exporter, running_bridge
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_DELIVERY: Final = 120_000
"""Milliseconds."""
_dspy: Any = dspy


def _embed(*, input: list[str], **_: Any) -> Any:  # noqa: A002 - litellm's name
    """50 tokens for each request."""
    data = [{"embedding": [1.0, 2.0]} for _ in input]
    return SimpleNamespace(data=data, usage=SimpleNamespace(prompt_tokens=50), _hidden_params={})


class Shop(dspy.Module):
    """Embeds the question, looks the car up, and asks a model."""

    def __init__(self) -> None:
        super().__init__()
        self.embed: Any = dspy.Embedder("openai/embedding", caching=False)
        self.lookup: Any = _dspy.Tool(self._seats, name="lookup")
        self.answer: Any = dspy.Predict("model -> seats")

    def _seats(self, model: str) -> dict[str, str]:
        return {"model": model, "seats": "5"}

    def forward(self, model: str) -> dspy.Prediction:
        """How many seats it has."""
        self.embed([model])
        self.lookup(model=model)
        return dspy.Prediction(model=model, seats=self.answer(model=model)["seats"])


def test_models_and_tokens_are_those_of_the_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field called `model` names no language model; a trace has the tokens of its embeddings too.

    In process and through a bridge: 50 tokens of the embedder, 10 and 5 of the language model.
    """
    monkeypatch.setattr("litellm.embedding", _embed)
    stores = [blank_store(tmp_path, name) for name in ("process.db", "bridge.db")]
    with running_bridge(stores[1], "cars") as bridge:
        processors = [
            MlflowSpanProcessor(tracking_uri=stores[0], experiment="cars"),
            BatchSpanProcessor(exporter(bridge, "http")),
        ]
        provider = TracerProvider(shutdown_on_exit=False)
        for processor in processors:
            provider.add_span_processor(processor)
        DSPyInstrumentor().instrument(tracer_provider=provider, capture_content=True)
        try:
            with dspy.context(lm=in_process_lm(dspy_script({"seats": lambda _: "5"}))):
                cast("Any", Shop())(model="Tesla 3")
        finally:
            DSPyInstrumentor().uninstrument()
        for processor in processors:
            assert processor.force_flush(_DELIVERY)
            processor.shutdown()
    for store in stores:
        client: Any = MlflowClient(store)
        experiment = client.get_experiment_by_name("cars").experiment_id
        (trace,) = client.search_traces(locations=[experiment], include_spans=True)
        assert {span.name: span.model_name for span in trace.data.spans} == {
            "module Shop": None,
            "embeddings embedding": "embedding",
            "execute_tool lookup": None,
            "module Predict": None,
            "chat scripted": "scripted-2026",
        }
        assert trace.info.token_usage == {
            "input_tokens": 60,
            "output_tokens": 5,
            "total_tokens": 65,
            "cache_read_input_tokens": 4,
        }
