"""Decision requests by `dspy.experimental.TypeSafe`, which is no language model of DSPy: a `chat` span for each."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
from dspy import experimental
from dspy.teleprompt import reanchor

from tests.support.decision_service import INPUT_TOKENS, OUTPUT_TOKENS, DecisionService
from tests.support.fresh_cache import use_a_fresh_cache
from tests.support.large_numbers_task import IsLarge, numbers, right
from tests.support.span_recorder import recording
from tests.support.with_and_without import same_with_and_without

if TYPE_CHECKING:
    from pathlib import Path

KEY = "tsk-0123456789abcdef0123"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_a_fresh_cache(monkeypatch, tmp_path)
    for name in ("TYPESAFE_API_KEY", "TYPESAFE_BASE_URL", "TYPESAFE_DEFAULT_MODEL"):
        monkeypatch.delenv(name, raising=False)


def _client(*, cache: bool = False) -> Any:
    return cast("Any", experimental).TypeSafe(api_key=KEY, base_url="https://decisions.example:8443", cache=cache)


@pytest.mark.parametrize("way", ["called", "awaited"])
def test_a_decision_is_a_call_of_a_model(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Model, server, tokens and content; the result is the same without instrumentation."""
    service = DecisionService(0.9)
    service.install(monkeypatch)
    program: Any = dspy.Predict(IsLarge)

    def decide() -> Any:
        with dspy.context(lm=_client()):
            return asyncio.run(program.acall(number="7")) if way == "awaited" else program(number="7")

    recorder = same_with_and_without(decide, capture_content=True)
    assert recorder.tree("") == ["module Predict", "  chat jev-latest"]
    (chat,) = recorder.attributes_of("chat")
    (span,) = recorder.named("chat")
    recorded = dict(span.attributes or {})
    assert {name: recorded.get(name) for name in (
        "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model",
        "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "server.address", "server.port",
    )} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "typesafe",
        "gen_ai.request.model": "jev-latest",
        "gen_ai.response.model": "jev-2026",
        "gen_ai.usage.input_tokens": INPUT_TOKENS,
        "gen_ai.usage.output_tokens": OUTPUT_TOKENS,
        "server.address": "decisions.example",
        "server.port": 8443,
    }  # fmt: skip
    assert (chat["lm.cache_hit"], chat["module.name"]) == (False, "self")
    assert "lm.cost" not in chat
    (request,) = json.loads(chat["gen_ai.input.messages"])
    asked = json.loads(request["parts"][0]["content"])
    assert asked == service.requests[0]
    assert asked["state"]["inputs"] == {"number": "7"}
    (answer,) = json.loads(chat["gen_ai.output.messages"])
    assert json.loads(answer["parts"][0]["content"]) == {"large": {"noul": 0.9, "confidence": 0.9}}
    assert KEY not in str([span.attributes for span in recorder.spans])


def test_without_content_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the state nor the answers."""
    DecisionService(0.9).install(monkeypatch)
    with dspy.context(lm=_client()), recording() as recorder:
        dspy.Predict(IsLarge)(number="7")
    (chat,) = recorder.attributes_of("chat")
    assert not {name for name in chat if name.endswith("messages")}


def test_a_cached_decision_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache hit without tokens, as of a language model; both are calls of the evaluation."""
    service = DecisionService(0.9)
    service.install(monkeypatch)
    with dspy.context(lm=_client(cache=True)), recording() as recorder:
        dspy.Evaluate(devset=numbers(7, 7), metric=right, num_threads=1)(dspy.Predict(IsLarge))
    assert len(service.requests) == 1
    assert [chat["lm.cache_hit"] for chat in recorder.attributes_of("chat")] == [False, True]
    (evaluate,) = recorder.attributes_of("evaluate")
    assert {name: evaluate[f"usage.{name}"] for name in ("lm_calls", "cache_hits", "input_tokens")} == {
        "lm_calls": 2, "cache_hits": 1, "input_tokens": INPUT_TOKENS,
    }  # fmt: skip
    assert evaluate["usage.unpriced_calls"] == 1


def test_a_request_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the service, on the call and on the module."""
    DecisionService(0.9, TimeoutError("no answer")).install(monkeypatch)
    with dspy.context(lm=_client()), recording() as recorder, pytest.raises(TimeoutError):
        dspy.Predict(IsLarge)(number="7")
    assert recorder.tree("", "error.type") == [
        "module Predict error.type=TimeoutError ERROR()",
        "  chat jev-latest error.type=TimeoutError ERROR(no answer)",
    ]


def test_a_calibration_counts_its_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    """ReAnchor's passes are calls of the service, or hits of the cache: the compile has them all."""
    service = DecisionService(0.3)
    service.install(monkeypatch)
    optimizer: Any = cast("Any", reanchor).ReAnchor(right, num_threads=1)
    with dspy.context(lm=_client(cache=True)), recording() as recorder:
        optimizer.compile(dspy.Predict(IsLarge), trainset=numbers(1, 2, 6, 7))
    chats = recorder.attributes_of("chat")
    (compiled,) = recorder.attributes_of("compile")
    assert len(service.requests) == 4
    assert compiled["usage.lm_calls"] == len(chats)
    assert compiled["usage.cache_hits"] == len(chats) - 4
    assert compiled["usage.input_tokens"] == 4 * INPUT_TOKENS
