"""Decision requests by `dspy.experimental.TypeSafe` or a client of the user's own, no `BaseLM`s: a `chat` span for each."""

from __future__ import annotations

import asyncio
import json
import traceback
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


class _OwnClient:
    """A client of the user's own: DSPy takes any object with this attribute."""

    supports_decision_requests = True
    model = "acme/judge-1"

    def __init__(self, noul: float, fails: Exception | None = None) -> None:
        self._noul = noul
        self._fails = fails
        self.requests: list[dict[str, Any]] = []

    def __call__(self, state: Any, questions: Any) -> Any:
        self.requests.append({"state": state, "questions": questions})
        if self._fails is not None:
            raise self._fails.with_traceback(None)
        return {name: {"noul": self._noul, "confidence": 0.9} for name in questions}

    async def acall(self, state: Any, questions: Any) -> Any:
        return self(state, questions)


@pytest.mark.parametrize("way", ["called", "awaited"])
def test_a_client_of_the_users_own_is_a_model(way: str) -> None:
    """Model, provider and content; it reports no tokens. The result is the same without instrumentation."""
    client: Any = _OwnClient(0.9)
    program: Any = dspy.Predict(IsLarge)

    def decide() -> Any:
        with dspy.context(lm=client):
            return asyncio.run(program.acall(number="7")) if way == "awaited" else program(number="7")

    recorder = same_with_and_without(decide, capture_content=True)
    assert recorder.tree("") == ["module Predict", "  chat judge-1"]
    (chat,) = recorder.attributes_of("chat")
    (span,) = recorder.named("chat")
    recorded = dict(span.attributes or {})
    assert (recorded["gen_ai.provider.name"], recorded["gen_ai.request.model"]) == ("acme", "judge-1")
    assert chat["module.name"] == "self"
    assert not {name for name in recorded if name.startswith("gen_ai.usage")}
    (request,) = json.loads(chat["gen_ai.input.messages"])
    assert json.loads(request["parts"][0]["content"]) == client.requests[0]
    (answer,) = json.loads(chat["gen_ai.output.messages"])
    assert json.loads(answer["parts"][0]["content"]) == {"large": {"noul": 0.9, "confidence": 0.9}}


@pytest.mark.parametrize("way", ["called", "awaited"])
def test_a_client_of_the_users_own_that_fails(way: str) -> None:
    """Its exception, with no frame of this package in the traceback."""
    client: Any = _OwnClient(0.9, TimeoutError("no answer"))
    program: Any = dspy.Predict(IsLarge)

    def frames() -> list[str]:
        with dspy.context(lm=client), pytest.raises(TimeoutError) as raised:
            asyncio.run(program.acall(number="7")) if way == "awaited" else program(number="7")
        return [entry.name for entry in traceback.extract_tb(raised.value.__traceback__)]

    without = frames()
    with recording() as recorder:
        assert frames() == without
    assert recorder.tree("", "error.type") == [
        "module Predict error.type=TimeoutError ERROR()",
        "  chat judge-1 error.type=TimeoutError ERROR(no answer)",
    ]


def test_a_client_that_cannot_be_awaited_fails_as_without_telemetry() -> None:
    """DSPy's own exception, and no call."""
    client: Any = type("NotAsync", (), {"supports_decision_requests": True, "__call__": _OwnClient.__call__})()
    program: Any = dspy.Predict(IsLarge)

    def decide() -> Any:
        with dspy.context(lm=client):
            return asyncio.run(program.acall(number="7"))

    assert same_with_and_without(decide).tree("") == [
        "module Predict ERROR('NotAsync' object has no attribute 'acall')"
    ]


def test_a_subclass_of_the_client_is_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its tokens, where it calls the inherited method; one that does not has a call too."""
    service = DecisionService(0.9)
    service.install(monkeypatch)

    base: Any = cast("Any", experimental).TypeSafe

    def call_inherited(client: Any, state: Any, questions: Any) -> Any:
        return base.__call__(client, state, questions)

    logged: Any = type("Logged", (base,), {"__call__": call_inherited})
    own = {"__call__": _OwnClient.__call__, "requests": list[Any](), "_fails": None, "_noul": 0.9}
    local: Any = type("Local", (base,), own)
    with recording() as recorder:
        for kind in (logged, local):
            with dspy.context(lm=kind(api_key=KEY, cache=False)):
                dspy.Predict(IsLarge)(number="7")
    assert recorder.tree("") == ["module Predict", "  chat jev-latest"] * 2
    tokens = [(span.attributes or {}).get("gen_ai.usage.input_tokens") for span in recorder.named("chat")]
    assert tokens == [INPUT_TOKENS, None]


def test_a_calibration_counts_the_calls_of_the_users_own_client() -> None:
    """Each pass over the training set calls it once for each example: it has no cache."""
    client: Any = _OwnClient(0.3)
    optimizer: Any = cast("Any", reanchor).ReAnchor(right, num_threads=1, require_cache=False)
    with dspy.context(lm=client), recording() as recorder:
        optimizer.compile(dspy.Predict(IsLarge), trainset=numbers(1, 2, 6, 7))
    (compiled,) = recorder.attributes_of("compile")
    assert compiled["usage.lm_calls"] == len(client.requests) == len(recorder.named("chat"))


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
