"""Usage beyond the tokens of language models, read back from MLflow: embeddings, cache writes, tokens by modality."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import pytest
from dspy.lm15 import Usage
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import MlflowSpanProcessor
from tests.support.addition_task import exact, examples
from tests.support.blank_store import blank_store
from tests.support.bridges import exporter, running_bridge
from tests.support.dspy_answers import dspy_script
from tests.support.embeddings_server import TOKENS, embeddings_server
from tests.support.in_process_lm import engine_of, in_process_lm
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from dspy.lm15 import Request, Response
    from opentelemetry.sdk.trace import SpanProcessor

    from tests.support.mlflow_tree import RunNode, SpanNode

PRICED: Final = "openai/text-embedding-3-small"
PRICE: Final = 0.02e-6 * TOKENS
"""US dollars of one request: 0.02 dollars a million tokens."""
UNPRICED: Final = "openai/served-here"


class Searching(dspy.Module):
    """Embeds the question with both models, and asks a language model."""

    def __init__(self, api_base: str) -> None:
        super().__init__()
        self.embedders: Any = [
            cast("Any", dspy.Embedder)(name, caching=caching, api_base=api_base, api_key="-")
            for name, caching in ((PRICED, True), (UNPRICED, False))
        ]
        self.answer: Any = dspy.Predict("question -> answer")

    def forward(self, question: str) -> Any:
        """Embed the same text for each question: the priced model answers it once, then DSPy's cache does."""
        for embedder in self.embedders:
            embedder([f"the same text {id(self)}"])
        return self.answer(question=question)


def _evaluate(processors: Sequence[SpanProcessor], program: Callable[[], Any], lm: dspy.LM) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    for processor in processors:
        provider.add_span_processor(processor)
    DSPyInstrumentor().instrument(tracer_provider=provider, capture_content=True)
    try:
        with dspy.context(lm=lm):
            evaluate: Any = dspy.Evaluate(devset=examples(2), metric=exact, num_threads=1, display_progress=False)
            evaluate(program())
    finally:
        DSPyInstrumentor().uninstrument()
    for processor in processors:
        processor.shutdown()


def _metrics(run: RunNode) -> dict[str, float]:
    return {name: points[-1][1] for name, points in run.metrics.items()}


def _spans(run: RunNode, name: str) -> list[SpanNode]:
    return [span for trace in run.traces for span in trace.walk() if span.name == name]


def _sum(run: RunNode, sums: str, name: str) -> float:
    """A number added up over the traces of the run."""
    return sum(json.loads(trace.metadata.get(sums, "{}")).get(name, 0) for trace in run.traces)


def test_embeddings_are_in_a_run_as_in_its_traces(tmp_path: Path) -> None:
    """Tokens and cost of embeddings are in the run's sums, their calls apart; run and traces have the same figures.

    In process and through a bridge. Of four calls one was answered by DSPy's cache, and two are of a model without a
    price, for which MLflow must not apply its own.
    """
    stores = [blank_store(tmp_path, name) for name in ("process.db", "bridge.db")]
    lm = in_process_lm(dspy_script({"answer": lambda _: "1"}))
    with running_bridge(stores[1], "embeddings") as bridge, embeddings_server() as api_base:
        _evaluate(
            [
                MlflowSpanProcessor(tracking_uri=stores[0], experiment="embeddings"),
                BatchSpanProcessor(exporter(bridge, "http")),
            ],
            lambda: Searching(api_base),
            lm,
        )
    for store in stores:
        (run,) = read_tree(store, "embeddings").runs
        found = _metrics(run)
        assert {
            name: value for name, value in found.items() if name.startswith(("usage/model/openai/", "usage/embedding"))
        } == {
            "usage/embedding_calls": 4.0,
            "usage/embedding_calls/task": 4.0,
            f"usage/model/{PRICED}/embedding_calls": 2.0,
            f"usage/model/{PRICED}/input_tokens": TOKENS,
            f"usage/model/{PRICED}/cost": pytest.approx(PRICE),
            f"usage/model/{UNPRICED}/embedding_calls": 2.0,
            f"usage/model/{UNPRICED}/input_tokens": 2.0 * TOKENS,
            f"usage/model/{UNPRICED}/unpriced_calls": 2.0,
            "usage/model/openai/scripted/input_tokens": 20.0,
            "usage/model/openai/scripted/output_tokens": 10.0,
            "usage/model/openai/scripted/lm_calls": 2.0,
            "usage/model/openai/scripted/unpriced_calls": 2.0,
        }
        assert (found["usage/lm_calls"], found["usage/cost"], found["usage/unpriced_calls"]) == (
            2.0,
            pytest.approx(PRICE),
            4.0,
        )
        assert found["usage/input_tokens"] == _sum(run, "mlflow.trace.tokenUsage", "input_tokens") == 20 + 3 * TOKENS
        assert found["usage/cost"] == pytest.approx(_sum(run, "mlflow.trace.cost", "total_cost"))
        (called, cached) = _spans(run, "embeddings text-embedding-3-small")
        assert called.attributes["mlflow.llm.cost"]["total_cost"] == pytest.approx(PRICE)
        assert "gen_ai.usage.input_tokens" not in cached.attributes


def _with_details() -> dspy.LM:
    """A model that reports tokens written to a cache, and tokens of sounds."""
    lm = in_process_lm(dspy_script({"answer": lambda _: "1"}))
    engine = engine_of(lm)
    answer = engine.complete

    def complete(request: Request) -> Response:
        usage = Usage(input_tokens=40, output_tokens=5, total_tokens=45, cache_write_tokens=30, input_audio_tokens=7)
        return replace(answer(request), usage=usage)

    cast("Any", engine).complete = complete
    return lm


def test_cache_writes_and_modalities(server_uri: str) -> None:
    """Cache writes are in the token usage of a call and its trace; sounds in the call's attributes; a run has the sum."""
    experiment = f"details-{uuid.uuid4().hex[:8]}"
    _evaluate(
        [MlflowSpanProcessor(tracking_uri=server_uri, experiment=experiment)],
        lambda: dspy.Predict("question -> answer"),
        _with_details(),
    )
    (run,) = read_tree(server_uri, experiment).runs
    calls = _spans(run, "chat scripted")
    assert [call.attributes["gen_ai.usage.cache_write.input_tokens"] for call in calls] == [30, 30]
    assert [call.attributes["gen_ai.usage.audio.input_tokens"] for call in calls] == [7, 7]
    usage = {"input_tokens": 40, "output_tokens": 5, "total_tokens": 45, "cache_creation_input_tokens": 30}
    assert [call.attributes["mlflow.chat.tokenUsage"] for call in calls] == [usage] * 2
    sums = [json.loads(text) for trace in run.traces if (text := trace.metadata.get("mlflow.trace.tokenUsage"))]
    assert sums == [usage] * 2
    found = _metrics(run)
    assert (found["usage/input_tokens"], found["usage/output_tokens"], found["usage/lm_calls"]) == (80.0, 10.0, 2.0)
