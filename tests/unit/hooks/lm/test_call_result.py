from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from dspy.clients import call_result
from dspy.clients.call_result import CallResult
from dspy.lm15 import Message, Response, TextPart, Usage

from otel_dspy.hooks.lm.call_record import LMCallRecord
from otel_dspy.hooks.lm.call_result import read_result
from otel_dspy.hooks.lm.token_counts import TokenCounts
from otel_dspy.telemetry.tallies.usage_tally import CallUsage

if TYPE_CHECKING:
    from collections.abc import Callable


def response(number: int = 1) -> Response:
    """A provider's answer as DSPy's own client has it."""
    return Response(
        id=f"r{number}",
        model="served-2026",
        message=Message(role="assistant", parts=(TextPart(text="4"),)),
        finish_reason="stop",
        usage=Usage(input_tokens=10, output_tokens=5, total_tokens=15, cache_read_tokens=4, reasoning_tokens=2),
    )


def test_a_native_result() -> None:
    """Everything that a provider reports, by DSPy's own reading of it."""
    assert read_result(CallResult.native(response())) == LMCallRecord(
        usage=TokenCounts(10, 5),
        cached_tokens=4,
        reasoning_tokens=2,
        response_model="served-2026",
        response_id="r1",
        finish_reasons=("stop",),
    )


def test_two_candidates() -> None:
    """`n=2`: the sums of both calls, the first one's id, a finish reason each."""
    combine = cast("Callable[..., CallResult]", call_result.combine)
    facts = read_result(combine([CallResult.native(response(1)), CallResult.native(response(2))], model_type="chat"))
    assert (facts.usage, facts.response_id, facts.finish_reasons) == (TokenCounts(20, 10), "r1", ("stop", "stop"))


@pytest.mark.parametrize(
    ("reported", "by_dspy", "cost"),
    [([0.25, 0.5], None, 0.75), ([0.25, None], None, None), ([0.25, "free"], None, None), ([0.25], 0.125, 0.125)],
)
def test_the_cost_that_the_provider_reports(reported: list[Any], by_dspy: float | None, cost: float | None) -> None:
    """As OpenRouter does with the usage: counted where DSPy has no cost, and every response has one."""
    responses = tuple(replace(response(), provider_data={"usage": {"cost": one}}) for one in reported)
    assert read_result(CallResult(responses, cost=by_dspy)).cost == cost


def test_a_cache_hit_through_dspys_own_format() -> None:
    """What DSPy stored and loaded again: no usage, a cost that is not billed."""
    stored = CallResult.native(response())
    stored.cost = 0.5
    facts = read_result(CallResult.load(stored.dump()))
    assert (facts.cache_hit, facts.usage, facts.cost, facts.response_id) == (True, None, 0.5, "r1")
    assert facts.billed() == CallUsage(cache_hit=True)


def test_a_cache_hit_of_a_model_without_a_known_price() -> None:
    """It has no cost, and no 0 either: a sum with other calls of the model would be 0 instead of unknown."""
    facts = read_result(CallResult.load(CallResult.native(response()).dump()))
    assert facts.billed() == CallUsage(cost=None, cache_hit=True)


def test_an_answer_without_usage() -> None:
    """No tokens, no cost and no unpriced call: whether it used any tokens is unknown."""
    facts = read_result(CallResult(raw={"id": "r1", "choices": []}))
    assert facts.billed() == CallUsage(cost=None)


LEGACY: dict[str, Any] = {
    "id": "legacy-1",
    "model": "served",
    "choices": [{"finish_reason": "length"}, {"finish_reason": None}, {"finish_reason": "stop"}],
}


@pytest.mark.parametrize("raw", [LEGACY, SimpleNamespace(**LEGACY)])
def test_a_reply_of_another_client(raw: object) -> None:
    """A raw OpenAI-style reply, as a dict or as an object."""
    facts = read_result(CallResult(raw=raw, usage={"prompt_tokens": 3, "completion_tokens": 0}, cost=0.25))
    assert facts == LMCallRecord(
        usage=TokenCounts(3, 0),
        cost=0.25,
        response_model="served",
        response_id="legacy-1",
        finish_reasons=("length", "stop"),
    )
    assert facts.billed() == CallUsage(3, 0, 0.25)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({}, None),
        (None, None),
        ({"total_tokens": 5}, None),
        ({"prompt_tokens": None, "completion_tokens": None}, None),
        ({"prompt_tokens": 3}, TokenCounts(3, 0)),
        ({"completion_tokens": 4}, TokenCounts(0, 4)),
        ({"input_tokens": 3, "output_tokens": 4}, TokenCounts(3, 4)),
        ({"prompt_tokens": None, "input_tokens": 3}, TokenCounts(3, 0)),
        (SimpleNamespace(prompt_tokens=3, completion_tokens=4), TokenCounts(3, 4)),
        ({"prompt_tokens": "many"}, None),
        ({"prompt_tokens": 10.0, "completion_tokens": 5.0}, TokenCounts(10, 5)),
        ({"prompt_tokens": 2.5, "completion_tokens": float("nan")}, None),
        ({"prompt_tokens": True, "input_tokens": 3, "completion_tokens": False}, TokenCounts(3, 0)),
        ({"prompt_tokens": -3, "completion_tokens": 2}, TokenCounts(0, 2)),
        ({"prompt_tokens": 2**63, "completion_tokens": 1e300}, None),
        ("nonsense", None),
    ],
)
def test_usage_in_whatever_shape(usage: Any, counts: TokenCounts | None) -> None:
    """OpenAI's names, the newer ones, dicts and objects; what is not reported, or is not a count, stays unknown."""
    assert read_result(SimpleNamespace(usage=usage)).usage == counts


@pytest.mark.parametrize("cost", [None, float("nan"), float("inf"), -0.5, True, "free"])
def test_a_cost_that_is_none(cost: object) -> None:
    """An unknown price adds nothing; NaN would spoil every sum around."""
    facts = read_result(SimpleNamespace(cost=cost, usage={"prompt_tokens": 1}))
    assert facts.cost is None
    assert facts.billed() == CallUsage(1, 0, None, unpriced=True)


@pytest.mark.parametrize(
    "result", [None, object(), SimpleNamespace(raw=SimpleNamespace(choices=5)), SimpleNamespace(raw={})]
)
def test_a_result_without_data(result: object) -> None:
    """No facts, and no error."""
    assert read_result(result) == LMCallRecord()


@pytest.mark.parametrize("details", [None, {}, {"cached_tokens": None}, {"cached_tokens": 0}])
def test_details_may_be_missing(details: dict[str, Any] | None) -> None:
    """0 cached tokens is a fact; None is none."""
    usage = {"prompt_tokens": 1, "prompt_tokens_details": details}
    assert read_result(SimpleNamespace(usage=usage)).cached_tokens == (details or {}).get("cached_tokens")


def test_tokens_that_were_written_to_a_cache() -> None:
    """LiteLLM has Anthropic's count beside the others and DSPy's engine in the details; the first one counts."""
    usage: dict[str, Any] = {"prompt_tokens": 9, "cache_creation_input_tokens": 7}
    details = {"prompt_tokens_details": {"cache_creation_tokens": 5, "audio_tokens": 2}}
    for given, tokens in (
        (usage, {"cache_write_input_tokens": 7}),
        (usage | details, {"cache_write_input_tokens": 7, "audio_input_tokens": 2}),
        (details, {"cache_write_input_tokens": 5, "audio_input_tokens": 2}),
        (usage | {"cache_creation_input_tokens": 1.5}, {}),
    ):
        assert read_result(SimpleNamespace(usage=given)).more_tokens == tokens
