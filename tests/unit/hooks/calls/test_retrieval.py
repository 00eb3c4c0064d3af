"""Retrievers and embedders: their spans, the texts with content alone, and the thread between the two."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import dspy
import numpy as np
import pytest
from dspy.dsp import colbertv2
from dspy.retrievers.embeddings import EmbeddingsWithScores
from inline_snapshot import snapshot

from tests.support.span_recorder import recording
from tests.support.with_and_without import same_with_and_without

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CORPUS = ["alpha", "beta", "gamma", "delta"]
SECRET = "sk-planted-secret-0123456789abcdef"


def letters(texts: Sequence[str], **_: Any) -> Any:
    """A vector of three numbers for each text."""
    return np.array([[len(text), text.count("a"), 1.0] for text in texts], dtype=np.float32)


def _broken(_texts: Sequence[str], **_: Any) -> Any:
    raise ConnectionError("no line")


def _embeddings(kind: Any = dspy.retrievers.Embeddings, function: Any = letters) -> Any:
    return kind(CORPUS, dspy.Embedder(function), k=2)


def _recorded(span: Any) -> Mapping[str, Any]:
    return {"name": span.name, **(span.attributes or {})}


@pytest.mark.parametrize("content", [False, True], ids=["without content", "with content"])
def test_embeddings(*, content: bool) -> None:
    """A query's span holds the embedder's, which a worker thread calls; texts stand there with content alone."""
    retriever = _embeddings(EmbeddingsWithScores)
    recorder = same_with_and_without(lambda: retriever("gamma"), capture_content=content)
    expected = (
        snapshot(
            [
                {
                    "name": "embeddings letters",
                    "gen_ai.operation.name": "embeddings",
                    "gen_ai.provider.name": "embedder",
                    "gen_ai.request.model": "letters",
                    "gen_ai.embeddings.dimension.count": 3,
                    "dspy.embeddings.count": 1,
                },
                {
                    "name": "retrieval EmbeddingsWithScores",
                    "gen_ai.operation.name": "retrieval",
                    "gen_ai.data_source.id": "EmbeddingsWithScores",
                    "gen_ai.retrieval.top_k": 2,
                    "gen_ai.retrieval.query.text": "gamma",
                    "gen_ai.retrieval.documents": '[{"id":"0","score":0.9999998807907104},{"id":"2","score":0.9999998807907104}]',
                    "dspy.retrieval.count": 2,
                    "dspy.retrieval.passages": '["alpha","gamma"]',
                },
            ]
        )
        if content
        else snapshot(
            [
                {
                    "name": "embeddings letters",
                    "gen_ai.operation.name": "embeddings",
                    "gen_ai.provider.name": "embedder",
                    "gen_ai.request.model": "letters",
                    "gen_ai.embeddings.dimension.count": 3,
                    "dspy.embeddings.count": 1,
                },
                {
                    "name": "retrieval EmbeddingsWithScores",
                    "gen_ai.operation.name": "retrieval",
                    "gen_ai.data_source.id": "EmbeddingsWithScores",
                    "gen_ai.retrieval.top_k": 2,
                    "dspy.retrieval.count": 2,
                },
            ]
        )
    )
    assert recorder.tree("retrieval") == ["retrieval EmbeddingsWithScores", "  embeddings letters"]
    assert [_recorded(span) for span in recorder.spans] == expected


def test_a_retriever_made_while_instrumented() -> None:
    """Its corpus is embedded where it is made; a program's queries stand in the program."""

    class Looking(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.find = _embeddings()

        def forward(self, question: str) -> Any:
            return self.find(question)

    recorder = same_with_and_without(lambda: Looking()(question="beta"))
    assert recorder.tree("", "embeddings.count") == snapshot(
        [
            "embeddings letters embeddings.count=4",
            "module Looking",
            "  retrieval Embeddings",
            "    embeddings letters embeddings.count=1",
        ]
    )


def test_queries_of_many_threads_keep_their_own_parents() -> None:
    """Every query has its own span; each batch of the worker stands below one of those that it answers."""
    retriever = _embeddings()
    with recording() as recorder:
        threads = [threading.Thread(target=retriever, args=(word,)) for word in CORPUS * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    retrievals = {span.context.span_id for span in recorder.named("retrieval") if span.context}
    parents = [span.parent.span_id for span in recorder.named("embeddings") if span.parent]
    assert len(retrievals) == 16
    assert parents
    assert len(parents) == len(recorder.named("embeddings"))
    assert set(parents) <= retrievals


@pytest.mark.parametrize("kind", [dspy.retrievers.Embeddings, EmbeddingsWithScores])
def test_an_embedder_that_raises(kind: Any) -> None:
    """The error passes the thread and reaches the caller; both spans have failed, each on its own thread."""
    retriever = _embeddings(kind)
    retriever.embedder = dspy.Embedder(_broken)
    recorder = same_with_and_without(lambda: retriever("beta"))
    assert recorder.tree("", "error.type") == [
        f"retrieval {kind.__name__} error.type=ConnectionError ERROR(no line)",
        "  embeddings _broken error.type=ConnectionError ERROR(no line)",
    ]


class Shelf:
    """A retriever for the settings."""

    def __call__(self, query: str, k: int = 3, **_: Any) -> list[Any]:
        """The first passages."""
        return [SimpleNamespace(long_text=f"{query}: {text}") for text in CORPUS[:k]]


@pytest.mark.parametrize("content", [False, True], ids=["without content", "with content"])
def test_retrieve_calls_the_configured_retriever(*, content: bool) -> None:
    """`dspy.Retrieve` is named by the retriever of the settings that it asks."""

    def run() -> Any:
        with dspy.context(rm=Shelf()):
            return [cast("Any", dspy.Retrieve(k=1))("who"), cast("Any", dspy.Retrieve())(query="who", k=2)]

    recorder = same_with_and_without(run, capture_content=content)
    assert [_recorded(span) for span in recorder.spans] == (
        snapshot(
            [
                {
                    "name": "retrieval Shelf",
                    "gen_ai.operation.name": "retrieval",
                    "gen_ai.data_source.id": "Shelf",
                    "gen_ai.retrieval.top_k": 1,
                    "gen_ai.retrieval.query.text": "who",
                    "dspy.retrieval.count": 1,
                    "dspy.retrieval.passages": '["who: alpha"]',
                },
                {
                    "name": "retrieval Shelf",
                    "gen_ai.operation.name": "retrieval",
                    "gen_ai.data_source.id": "Shelf",
                    "gen_ai.retrieval.top_k": 2,
                    "gen_ai.retrieval.query.text": "who",
                    "dspy.retrieval.count": 2,
                    "dspy.retrieval.passages": '["who: alpha","who: beta"]',
                },
            ]
        )
        if content
        else snapshot(
            [
                {
                    "name": "retrieval Shelf",
                    "gen_ai.operation.name": "retrieval",
                    "gen_ai.data_source.id": "Shelf",
                    "gen_ai.retrieval.top_k": 1,
                    "dspy.retrieval.count": 1,
                },
                {
                    "name": "retrieval Shelf",
                    "gen_ai.operation.name": "retrieval",
                    "gen_ai.data_source.id": "Shelf",
                    "gen_ai.retrieval.top_k": 2,
                    "dspy.retrieval.count": 2,
                },
            ]
        )
    )


def test_retrieve_without_a_retriever() -> None:
    """DSPy's own error is the span's."""
    recorder = same_with_and_without(lambda: cast("Any", dspy.Retrieve())("who"))
    assert recorder.tree("", "error.type") == snapshot(
        ["retrieval Retrieve error.type=AssertionError ERROR(No RM is loaded.)"]
    )


class Own(dspy.Retrieve):
    """A retriever of the user's own, as DSPy's for Weaviate and Databricks are."""

    def forward(self, query: str, k: int | None = None, **_: Any) -> Any:
        """What there is."""
        del query
        return dspy.Prediction(passages=CORPUS[: k or self.k])


def test_a_retriever_of_the_users_own() -> None:
    """A subclass of `dspy.Retrieve` is named by its class."""
    recorder = same_with_and_without(lambda: cast("Any", Own(k=2))("who"))
    assert recorder.tree("", "retrieval.count", "gen_ai.retrieval.top_k") == snapshot(
        ["retrieval Own retrieval.count=2 gen_ai.retrieval.top_k=2"]
    )


def test_colbert(monkeypatch: pytest.MonkeyPatch) -> None:
    """`dspy.ColBERTv2` records its server; called by `dspy.Retrieve` it is a part of that."""
    found = [{"pid": 7, "score": 0.5, "text": "alpha", "long_text": "alpha"}]

    def answer(_url: str, _query: str, k: int) -> Any:
        return found[:k]

    monkeypatch.setattr(colbertv2, "colbertv2_get_request", answer)  # its server stands on the network

    def run() -> Any:
        server: Any = dspy.ColBERTv2(url="http://colbert.example:8893/api/search")
        with dspy.context(rm=server):
            return [server("who", k=1), cast("Any", dspy.Retrieve(k=1))("who")]

    recorder = same_with_and_without(run, capture_content=True)
    assert [_recorded(span) for span in recorder.spans] == snapshot(
        [
            {
                "name": "retrieval ColBERTv2",
                "gen_ai.operation.name": "retrieval",
                "gen_ai.data_source.id": "ColBERTv2",
                "server.address": "colbert.example",
                "server.port": 8893,
                "gen_ai.retrieval.top_k": 1,
                "gen_ai.retrieval.query.text": "who",
                "gen_ai.retrieval.documents": '[{"id":"7","score":0.5}]',
                "dspy.retrieval.count": 1,
                "dspy.retrieval.passages": '["alpha"]',
            },
            {
                "name": "retrieval ColBERTv2",
                "gen_ai.operation.name": "retrieval",
                "gen_ai.data_source.id": "ColBERTv2",
                "server.address": "colbert.example",
                "server.port": 8893,
                "gen_ai.retrieval.top_k": 1,
                "gen_ai.retrieval.query.text": "who",
                "dspy.retrieval.count": 1,
                "dspy.retrieval.passages": '["alpha"]',
            },
        ]
    )


def _call(embedder: Any, inputs: Any) -> Any:
    return embedder(inputs)


def _await(embedder: Any, inputs: Any) -> Any:
    return asyncio.run(embedder.acall(inputs))


@pytest.mark.parametrize("act", [_call, _await], ids=["called", "awaited"])
@pytest.mark.parametrize("inputs", ["one", ["one", "two", "three"]], ids=["a text", "texts"])
def test_an_embedder(act: Callable[[Any, Any], Any], inputs: Any) -> None:
    """One span for a call, however many batches it takes, with the count and the vectors' dimension."""
    embedder = dspy.Embedder(letters, batch_size=2)
    recorder = same_with_and_without(lambda: act(embedder, inputs).tolist(), capture_content=True)
    (span,) = recorder.spans
    assert _recorded(span) == {
        "name": "embeddings letters",
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "embedder",
        "gen_ai.request.model": "letters",
        "gen_ai.embeddings.dimension.count": 3,
        "dspy.embeddings.count": 1 if inputs == "one" else 3,
    }


def test_a_hosted_embedder_records_its_server_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Provider and model come from the name, the server from `api_base`; a key inside an error is taken out."""

    def embedding(**_: Any) -> Any:
        raise ConnectionError(f"bad key {SECRET}")

    paid = SimpleNamespace(embedding=embedding, cache=None)
    monkeypatch.setattr("dspy.clients.embedding._get_litellm", lambda: paid)
    embedder = dspy.Embedder(
        "openai/small", caching=False, **cast("Any", {"api_key": SECRET, "api_base": "https://models.example:8443/v1"})
    )
    recorder = same_with_and_without(lambda: cast("Any", embedder)("one"))
    (span,) = recorder.spans
    assert _recorded(span) == snapshot(
        {
            "name": "embeddings small",
            "gen_ai.operation.name": "embeddings",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "small",
            "server.address": "models.example",
            "server.port": 8443,
            "dspy.embeddings.count": 1,
            "error.type": "ConnectionError",
        }
    )
    assert span.status.description == "bad key [redacted]"


@pytest.mark.parametrize("act", [_call, _await], ids=["called", "awaited"])
def test_the_tokens_of_a_hosted_embedder(act: Callable[[Any, Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What the provider counted for all batches together; cached answers count nothing, nor do answers without a count."""

    def embedding(*, input: list[str], **_: Any) -> Any:  # noqa: A002 - litellm's name
        usage = SimpleNamespace(prompt_tokens=7 * len(input)) if input != ["untold"] else None
        return SimpleNamespace(data=[{"embedding": [1.0, 2.0]} for _ in input], usage=usage)

    async def aembedding(**asked: Any) -> Any:
        return embedding(**asked)

    hosted = SimpleNamespace(embedding=embedding, aembedding=aembedding, cache=None)
    monkeypatch.setattr("dspy.clients.embedding._get_litellm", lambda: hosted)
    embedder = dspy.Embedder("openai/small", batch_size=2, caching=False)
    recorder = same_with_and_without(
        lambda: [act(embedder, texts).tolist() for texts in (["one", "two", "three"], "untold")]
    )
    counted = [dict(span.attributes or {}).get("gen_ai.usage.input_tokens") for span in recorder.spans]
    assert counted == [21, None]
    remembering = dspy.Embedder("openai/small", caching=True)
    with recording() as recorder:
        for _ in range(2):
            act(remembering, [f"kept {act.__name__}"])
    counted = [dict(span.attributes or {}).get("gen_ai.usage.input_tokens") for span in recorder.spans]
    assert counted == [7, None]


async def test_an_embedder_that_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The span ends with the cancellation, which passes."""
    waiting = asyncio.Event()

    async def aembedding(**_: Any) -> Any:
        waiting.set()
        await asyncio.sleep(3600)

    paid = SimpleNamespace(aembedding=aembedding, cache=None)
    monkeypatch.setattr("dspy.clients.embedding._get_litellm", lambda: paid)
    with recording() as recorder:
        task = asyncio.ensure_future(dspy.Embedder("openai/small", caching=False).acall("one"))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert recorder.tree("", "error.type") == snapshot(
        ["embeddings small error.type=asyncio.exceptions.CancelledError ERROR()"]
    )
