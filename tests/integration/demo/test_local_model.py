from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast
from urllib.parse import urlsplit

import dspy
import pytest
from dspy import lm15

from otel_dspy.demo.local_model import MODEL_NAME, PROVIDER, local_model
from otel_dspy.demo.task import SentimentOfTweet


def test_the_model_serves_on_loopback_until_the_block_ends() -> None:
    """It listens on 127.0.0.1, keeps to a schema, has no price, and is gone, with its provider, when the block ends."""
    signature: Any = dspy.Signature("tweet -> sentiment: Literal['positive', 'negative']")  # pyright: ignore[reportCallIssue] - made by a metaclass
    with local_model() as lm:
        [provider] = [known for known in lm15.registered_providers() if known.id == PROVIDER]
        address = urlsplit(provider.definition.access.base_url)
        with dspy.context(lm=lm, adapter=dspy.JSONAdapter()):
            recorded = dspy.Predict(signature)(tweet="I love it")
        assert recorded["sentiment"] in ("positive", "negative")
        [call] = cast("list[dict[str, Any]]", lm.history)
        assert (call["cost"], call["response_model"]) == (None, MODEL_NAME)
        assert call["usage"]["prompt_tokens"] > 0
    assert address.hostname == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", address.port or 0), timeout=5)
    assert PROVIDER not in {known.id for known in lm15.registered_providers()}


# On a busy machine llama.cpp's threads wait for each other, and two of them take long.
@pytest.mark.slow
@pytest.mark.parametrize("cores", [2, 3])
def test_an_answer_depends_on_the_request_alone(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    """Order, concurrency, earlier requests and the number of cores change no answer, at temperature 1 neither."""
    topics = ["the sea", "a late train", "rain", "rain in spring"]

    def answers(topics: list[str], *, cores: int, threads: int) -> dict[str, str]:
        monkeypatch.setattr(os, "cpu_count", lambda: cores)
        with local_model() as lm, ThreadPoolExecutor(threads) as pool:

            def ask(topic: str) -> str:
                return str(cast("object", lm(f"Write a poem about {topic}.", temperature=1.0, max_tokens=8)))

            return dict(zip(topics, pool.map(ask, topics), strict=True))

    assert answers(topics, cores=2, threads=1) == answers(topics[::-1], cores=cores, threads=4)


def test_an_earlier_request_changes_no_answer() -> None:
    """A tweet at which `positive` and `Positive` are about equally likely has one answer, asked first, again and after others."""
    tie = "@AmericanAir I Love American Airlines :D"
    with local_model() as lm, dspy.context(lm=lm, adapter=dspy.JSONAdapter()):
        classify = SentimentOfTweet()
        answers = [
            cast("object", cast("Any", classify)(tweet=tweet)["sentiment"]) for tweet in (tie, tie, "late again", tie)
        ]
    assert len({answers[0], answers[1], answers[3]}) == 1
