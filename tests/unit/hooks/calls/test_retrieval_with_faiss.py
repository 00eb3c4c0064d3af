"""A retriever whose index found fewer candidates than it was asked for: the passages that the program gets."""

from __future__ import annotations

import json
from typing import Any

import dspy
import numpy as np

from tests.support.with_and_without import same_with_and_without

CORPUS = ["alpha", "beta", "gamma", "delta"]


def _vectors(texts: list[str], **_: Any) -> Any:
    return np.array([[float(text == word) for word in CORPUS] for text in texts], dtype=np.float32)


class _Index:
    """An index of FAISS that finds one passage: the rest of its answer is -1."""

    def search(self, queries: Any, count: int) -> tuple[None, Any]:
        """The positions of the candidates of each query."""
        return None, np.array([[1, *[-1] * (count - 1)] for _ in queries])


def test_passages_that_an_index_did_not_find() -> None:
    """DSPy takes -1 for the last passage, again and again: that is what was retrieved."""
    retriever: Any = dspy.retrievers.Embeddings(CORPUS, dspy.Embedder(_vectors), k=3)
    retriever.index = _Index()
    recorder = same_with_and_without(lambda: retriever("delta"), capture_content=True)
    (span,) = recorder.named("retrieval")
    recorded = dict(span.attributes or {})
    assert recorded["dspy.retrieval.count"] == 3
    assert json.loads(str(recorded["dspy.retrieval.passages"])) == ["delta", "delta", "delta"]
    assert json.loads(str(recorded["gen_ai.retrieval.documents"])) == [{"id": "-1", "score": None}] * 3
