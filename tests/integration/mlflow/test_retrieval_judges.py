"""MLflow's judges of retrieval on recorded traces: they are shown the passages that DSPy has found."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import mlflow
from mlflow.genai import scorers

from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import MlflowSpanProcessor
from tests.integration.mlflow.contract_spans import provider
from tests.support.blank_store import blank_store
from tests.support.lm_server import scripted_lm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from tests.support.lm_server import Message

_DELIVERY: Final = 120_000
"""Milliseconds."""
_PASSAGES: Final = ("Oslo is the capital of Norway.", "Oslo lies at a fjord.")
_mlflow: Any = mlflow


class _Looking(dspy.Module):
    """Retrieves, and answers."""

    def __init__(self) -> None:
        super().__init__()
        self.retrieve: Any = dspy.Retrieve(k=2)

    def forward(self, question: str) -> Any:
        """Two passages are found."""
        assert self.retrieve(question).passages == list(_PASSAGES)
        return cast("Any", dspy.Prediction)(answer="Oslo")


def _corpus(_query: str, k: int, **_: Any) -> list[Any]:
    return [cast("Any", dspy.Example)(long_text=passage) for passage in _PASSAGES[:k]]


def _recorded(folder: Path) -> Any:
    """The trace of a program that retrieves."""
    store, experiment = blank_store(folder, "judged.db"), f"judged-{uuid.uuid4().hex}"
    processor = MlflowSpanProcessor(tracking_uri=store, experiment=experiment)
    DSPyInstrumentor().instrument(tracer_provider=provider(processor), capture_content=True)
    try:
        with dspy.context(rm=_corpus):
            cast("Any", _Looking())(question="What is the capital of Norway?")
    finally:
        DSPyInstrumentor().uninstrument()
    assert processor.force_flush(_DELIVERY)
    processor.shutdown()
    mlflow.set_tracking_uri(store)
    place = _mlflow.get_experiment_by_name(experiment).experiment_id
    (trace,) = _mlflow.search_traces(locations=[place], return_type="list")
    return trace


def test_they_are_shown_the_passages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`RetrievalRelevance` judges each passage, `RetrievalGroundedness` the answer by all of them."""
    trace = _recorded(tmp_path)
    prompts: list[str] = []

    def answer(messages: Sequence[Message]) -> str:
        prompts.append(json.dumps(messages, ensure_ascii=False))
        return '{"rationale": "It is so.", "result": "yes"}'

    with scripted_lm(answer) as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
        monkeypatch.setenv("OPENAI_API_BASE", server.api_base)
        relevance: Any = scorers.RetrievalRelevance(model="openai:/judge")
        found = [one.name for one in relevance(trace=trace)]
        judged = list(prompts)
        prompts.clear()
        groundedness: Any = scorers.RetrievalGroundedness(model="openai:/judge")
        groundedness(trace=trace)
    assert found == ["retrieval_relevance/precision", "retrieval_relevance", "retrieval_relevance"]
    assert [[passage in prompt for passage in _PASSAGES] for prompt in judged] == [[True, False], [False, True]]
    assert [[passage in prompt for passage in _PASSAGES] for prompt in prompts] == [[True, True]]
