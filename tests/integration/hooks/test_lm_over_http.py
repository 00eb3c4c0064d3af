"""LM spans of calls that really go over HTTP: prices, cache, retries, keys."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
from dspy.utils.exceptions import LMError

from tests.support.addition_task import exact, examples, half_right
from tests.support.dspy_answers import dspy_script
from tests.support.fresh_cache import use_a_fresh_cache
from tests.support.lm_server import Status, scripted_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.lm_server import LMServer
    from tests.support.span_recorder import Recorder

SECRET = "planted-key-0123456789abcdef"
SECRET_HEADER = "planted-header-0123456789abcdef"


@pytest.fixture
def server() -> Generator[LMServer]:
    """A served model that is right on even sums."""
    with scripted_lm(dspy_script({"answer": half_right})) as running:
        yield running


def _lm(server: LMServer, model: str = "gpt-4o-mini", **kwargs: Any) -> dspy.LM:
    settings: dict[str, Any] = {"api_key": SECRET, "cache": False, "num_retries": 0, **kwargs}
    # DSPy knows the price of gpt-4o-mini, so its cost is recorded as for the hosted model.
    return dspy.LM(f"openai/{model}", api_base=server.api_base, **settings)


def _no_wait(_seconds: float) -> None:
    """Stand in for `time.sleep` between two attempts."""


def _chat(recorder: Recorder) -> list[dict[str, Any]]:
    return [dict(span.attributes or {}) for span in recorder.named("chat")]


def test_tokens_and_cost_are_those_of_dspys_own_history(server: LMServer) -> None:
    """Span and history agree on tokens, cost, served model and id; host and port are recorded."""
    lm = _lm(server)
    with dspy.context(lm=lm), recording() as recorder:
        dspy.Predict("question -> answer")(question="1+1")
    (chat,) = _chat(recorder)
    entry = cast("dict[str, Any]", cast("Any", lm).history[-1])
    assert chat["gen_ai.usage.input_tokens"] == entry["usage"]["prompt_tokens"] > 0
    assert chat["gen_ai.usage.output_tokens"] == entry["usage"]["completion_tokens"] > 0
    assert chat["dspy.lm.cost"] == entry["cost"] > 0
    assert chat["gen_ai.response.model"] == entry["response_model"]
    assert chat["gen_ai.response.finish_reasons"] == ("stop",)
    assert chat["server.address"] == "127.0.0.1"
    assert str(chat["server.port"]) in server.api_base


def test_a_cache_hit_costs_nothing(server: LMServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The second of two equal calls is a hit: no tokens, cost 0, recorded as such and counted as a call."""
    use_a_fresh_cache(monkeypatch, tmp_path)
    with dspy.context(lm=_lm(server, cache=True)), recording() as recorder:
        program = dspy.Predict("question -> answer")
        dspy.Evaluate(devset=examples(1) * 2, metric=exact, num_threads=1)(program)
    first, second = _chat(recorder)
    assert (first["dspy.lm.cache_hit"], second["dspy.lm.cache_hit"]) == (False, True)
    assert "gen_ai.usage.input_tokens" not in second
    assert first["dspy.lm.cost"] > 0
    assert second["dspy.lm.cost"] == 0
    evaluate = dict(recorder.named("evaluate")[0].attributes or {})
    assert {name: evaluate[f"dspy.usage.{name}"] for name in ("input_tokens", "lm_calls", "cache_hits", "cost")} == {
        "input_tokens": first["gen_ai.usage.input_tokens"],
        "lm_calls": 2,
        "cache_hits": 1,
        "cost": first["dspy.lm.cost"],
    }
    assert len(server.requests) == 1


PRICES: dict[str, Any] = {"input_cost_per_token": 0.01, "output_cost_per_token": 0.02}


@pytest.mark.parametrize(
    ("engine", "way"),
    [
        ("litellm", "unknown"),
        ("litellm", "registered"),
        ("litellm", "changed"),
        ("auto", "of the LM"),
        ("auto", "registered"),
    ],
)
def test_a_price_of_the_users_own(server: LMServer, monkeypatch: pytest.MonkeyPatch, engine: str, way: str) -> None:
    """The cost is the one that DSPy has: LiteLLM's engine takes the user's prices, DSPy's own engine does not.

    A call without a price has no cost, on the span and in the sums, and is counted.
    """
    import litellm  # noqa: PLC0415 - LiteLLM takes seconds, in each pytest process

    model = f"priced-{engine}-{way.replace(' ', '-')}"
    monkeypatch.setattr(litellm, "model_cost", dict(cast("dict[str, Any]", litellm.model_cost)))
    if way == "registered":
        litellm.register_model({f"openai/{model}": {"litellm_provider": "openai", "mode": "chat", **PRICES}})
    elif way == "changed":
        litellm.model_cost[model] = {"litellm_provider": "openai", "mode": "chat", **PRICES}
    own: dict[str, Any] = PRICES if way == "of the LM" else {}
    lm: Any = dspy.LM(
        f"openai/{model}", api_base=server.api_base, api_key="-", cache=False, num_retries=0,
        engine=engine, **own,
    )  # fmt: skip
    with dspy.context(lm=lm), recording() as recorder:
        dspy.Evaluate(devset=examples(1), metric=exact, num_threads=1)(dspy.Predict("question -> answer"))
    (chat,) = _chat(recorder)
    entry = lm.history[-1]
    priced = way == "of the LM" or (engine == "litellm" and way != "unknown")
    cost = pytest.approx(0.01 * entry["usage"]["prompt_tokens"] + 0.02 * entry["usage"]["completion_tokens"])
    assert entry["cost"] == (cost if priced else None)
    assert chat.get("dspy.lm.cost") == entry["cost"]
    evaluate = dict(recorder.named("evaluate")[0].attributes or {})
    names = ["dspy.usage", f"dspy.usage.model.openai/{model}", "dspy.usage.role.task"]
    assert [evaluate.get(f"{name}.cost") for name in names] == [entry["cost"]] * 3
    assert [evaluate.get(f"{name}.unpriced_calls") for name in names] == [None if priced else 1] * 3
    metrics, labels = recorder.metrics(), {"gen_ai.request.model": model}
    recorded = (metrics.get("dspy.usage.cost"), metrics.get("dspy.usage.unpriced_calls"))
    assert recorded == (([(labels, cost)], None) if priced else (None, [(labels, 1)]))


@pytest.mark.parametrize(("engine", "later"), [("litellm", 0.0), ("auto", None)])
def test_a_price_of_one_model_object(
    server: LMServer, monkeypatch: pytest.MonkeyPatch, engine: str, later: float | None
) -> None:
    """LiteLLM keeps it for every later call of the name, as the cost that is recorded; DSPy's own engine does not."""
    import litellm  # noqa: PLC0415 - LiteLLM takes seconds, in each pytest process

    monkeypatch.setattr(litellm, "model_cost", dict(cast("dict[str, Any]", litellm.model_cost)))
    address: dict[str, Any] = {"api_base": server.api_base, "api_key": "-", "cache": False, "num_retries": 0}
    free: Any = dspy.LM(
        f"openai/free-{engine}", engine=engine, input_cost_per_token=0, output_cost_per_token=0, **address
    )
    plain: Any = dspy.LM(f"openai/free-{engine}", engine=engine, **address)
    with recording() as recorder:
        for lm in (plain, free, plain):
            with dspy.context(lm=lm):
                dspy.Predict("question -> answer")(question="1+1")
    costs = [chat.get("dspy.lm.cost") for chat in _chat(recorder)]
    assert costs == [None, 0.0, later]
    assert [entry["cost"] for entry in plain.history] == [costs[0], costs[2]]


@pytest.mark.parametrize("model", ["claude-sonnet-99", "gpt-5.9"])
@pytest.mark.parametrize(("engine", "cost"), [("litellm", 0.0), ("auto", None)])
def test_a_claude_model_that_no_price_list_has(server: LMServer, engine: str, cost: float | None, model: str) -> None:
    """LiteLLM's engine prices it at 0, which is recorded as its cost; with DSPy's own engine the call is unpriced.

    So for a newer model of OpenAI.
    """
    lm: Any = dspy.LM(
        f"openai/{model}", api_base=server.api_base, api_key="-", cache=False, num_retries=0,
        engine=engine,
    )  # fmt: skip
    with dspy.context(lm=lm), recording() as recorder:
        dspy.Evaluate(devset=examples(1), metric=exact, num_threads=1)(dspy.Predict("question -> answer"))
    (chat,) = _chat(recorder)
    assert chat.get("dspy.lm.cost") == lm.history[-1]["cost"] == cost
    evaluate = dict(recorder.named("evaluate")[0].attributes or {})
    assert evaluate.get("dspy.usage.cost") == cost
    assert evaluate.get("dspy.usage.unpriced_calls") == (1 if cost is None else None)


@pytest.mark.parametrize(("model", "priced"), [("gpt-4.1", True), ("gpt-5.4", False)])
def test_an_answer_of_a_snapshot_that_no_price_list_has(server: LMServer, model: str, *, priced: bool) -> None:
    """DSPy has the price of the requested model for the one, and none for the other, whose call is unpriced."""
    with dspy.context(lm=_lm(server, model)), recording() as recorder:
        dspy.Evaluate(devset=examples(1), metric=exact, num_threads=1)(dspy.Predict("question -> answer"))
    (chat,) = _chat(recorder)
    assert chat["gen_ai.response.model"] == f"{model}-2026"
    assert ("dspy.lm.cost" in chat) == priced
    evaluate = dict(recorder.named("evaluate")[0].attributes or {})
    assert evaluate.get("dspy.usage.unpriced_calls") == (None if priced else 1)


def test_a_busy_server_is_retried(server: LMServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two refusals and an answer are one span with two retries."""
    monkeypatch.setattr("dspy.clients.execution.time.sleep", _no_wait)
    server.fail(Status(503), times=2)
    with dspy.context(lm=_lm(server, num_retries=3)), recording() as recorder:
        dspy.Predict("question -> answer")(question="1+1")
    assert [chat["dspy.lm.retries"] for chat in _chat(recorder)] == [2]
    assert len(server.requests) == 3


def test_costs_roll_up(server: LMServer) -> None:
    """The evaluation's cost is the sum over its calls."""
    with dspy.context(lm=_lm(server)), recording() as recorder:
        dspy.Evaluate(devset=examples(6), metric=exact, num_threads=3)(dspy.Predict("question -> answer"))
    total = sum(chat["dspy.lm.cost"] for chat in _chat(recorder))
    evaluate = dict(recorder.named("evaluate")[0].attributes or {})
    assert evaluate["dspy.usage.cost"] == pytest.approx(total)
    assert total > 0


def test_the_cache_answers_for_another_server(
    server: LMServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A model of that name elsewhere is not asked: a hit without tokens, with the address that is set."""
    use_a_fresh_cache(monkeypatch, tmp_path)
    elsewhere: Any = _lm(server, cache=True).copy(api_base="http://127.0.0.1:9/v1")  # nothing listens there
    with recording() as recorder:
        for lm in (_lm(server, cache=True), elsewhere):
            with dspy.context(lm=lm):
                dspy.Predict("question -> answer")(question="1+1")
    _, hit = _chat(recorder)
    assert (hit["dspy.lm.cache_hit"], hit["server.address"], hit["server.port"]) == (True, "127.0.0.1", 9)
    assert "gen_ai.usage.input_tokens" not in hit


def test_keys_and_headers_never_leave(server: LMServer) -> None:
    """They reach the server and stand in no span, event or metric, also where the server's error repeats the key."""
    lm = _lm(server, extra_headers={"X-Secret": SECRET_HEADER})
    server.fail(Status(401))
    everything = {"capture_content": True, "capture_programs": True, "capture_datasets": True}
    with dspy.context(lm=lm), recording(**everything) as recorder:
        program = dspy.Predict("question -> answer")
        program.set_lm(lm)
        with pytest.raises(LMError):
            program(question="1+1")
        dspy.Evaluate(devset=examples(2), metric=exact, num_threads=1)(program)
        dspy.BootstrapFewShot(metric=exact).compile(program, trainset=examples(2))
    sent = [str(request.headers) for request in server.requests]
    assert all(SECRET in headers and SECRET_HEADER in headers for headers in sent)
    spans = itertools.chain.from_iterable(
        (span.name, str(dict(span.attributes or {})), str(span.events), str(span.status.description))
        for span in recorder.spans
    )
    recorded = "\n".join([*spans, str(recorder.events()), str(recorder.metrics())])
    assert "chat gpt-4o-mini" in recorded
    assert SECRET not in recorded
    assert SECRET_HEADER not in recorded
