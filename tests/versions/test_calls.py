from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from inline_snapshot import snapshot

from otel_dspy.telemetry.exceptions import error_type
from tests.support.lm_server import Status
from tests.support.span_recorder import recording
from tests.versions.scenario import Sums, model, served

if TYPE_CHECKING:
    from tests.support.span_recorder import Recorder

_CALL = snapshot(
    [
        "module Sums module.name=self",
        "  module Predict module.name=add",
        "    chat scripted lm.cache_hit=False module.name=add gen_ai.provider.name=openai gen_ai.request.model=scripted gen_ai.response.finish_reasons=('stop',) gen_ai.response.id=chatcmpl-1 gen_ai.response.model=scripted-2026 gen_ai.usage.input_tokens=10 gen_ai.usage.output_tokens=5",
    ]
)


def _recorded(recorder: Recorder) -> list[str]:
    return recorder.tree(
        "module",
        "gen_ai.usage",
        "gen_ai.request.model",
        "gen_ai.response",
        "gen_ai.provider",
        "lm.cache_hit",
        "module.name",
    )


def test_a_call() -> None:
    """Module, predictor and language model are one tree, with tokens, model and finish reason."""
    with served() as (_, lm), dspy.context(lm=lm), recording() as recorder:
        assert Sums()(question="1+1").answer == "2"
    assert _recorded(recorder) == _CALL


def test_an_asynchronous_call() -> None:
    """Awaited, it is the same tree."""

    async def call() -> Any:
        with dspy.context(lm=lm):
            return await Sums().acall(question="1+1")

    with served() as (_, lm), recording() as recorder:
        assert asyncio.run(call()).answer == "2"
    assert _recorded(recorder) == _CALL


def test_what_the_cache_answers() -> None:
    """The second call is a cache hit: no tokens, and it is marked."""
    with served() as (server, _), recording() as recorder:
        lm = model(server, cache=True)
        with dspy.context(lm=lm):
            for _ in range(2):
                Sums()(question="3+1")
    assert len(server.requests) == 1
    assert [
        (
            recorded["lm.cache_hit"],
            recorded.get("gen_ai.usage.input_tokens"),
            recorded.get("gen_ai.usage.output_tokens"),
        )
        for recorded in recorder.attributes_of("chat")
    ] == [(False, 10, 5), (True, None, None)]


def test_a_failing_call() -> None:
    """What the model's client raises reaches the user, and every span around it is an error."""
    with served() as (server, lm), dspy.context(lm=lm), recording() as recorder:
        server.fail(Status(400), times=9)
        with pytest.raises(Exception, match="scripted 400") as caught:
            Sums()(question="1+1")
    failed = [recorded["error.type"] for recorded in recorder.attributes_of("")]
    assert failed[:2] == [error_type(caught.value)] * 2
    assert all("Error" in kind for kind in failed)  # DSPy 2.6 raises its own in the place of the client's
    assert [span.name for span in recorder.named("")][:3] == ["module Sums", "module Predict", "chat scripted"]
    assert not any("sk-planted" in str(span.to_json()) for span in recorder.spans)


def test_afterwards_nothing_is_watched() -> None:
    """After `uninstrument()` a call records nothing, and DSPy's classes are as they were."""
    classes = [dspy.Module, dspy.Predict, dspy.LM, dspy.BaseLM, dspy.Evaluate, dspy.BootstrapFewShot, dspy.MIPROv2]
    before = [dict(vars(cls)) for cls in classes]
    with served() as (_, lm), dspy.context(lm=lm):
        with recording() as recorder:
            Sums()(question="1+1")
        recorded = len(recorder.spans)
        Sums()(question="2+1")
    assert len(recorder.spans) == recorded > 0
    for cls, attributes in zip(classes, before, strict=True):
        assert {name: value for name, value in vars(cls).items() if name != "__abstractmethods__"} == attributes
