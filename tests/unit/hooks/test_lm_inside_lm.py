"""Language models that ask themselves or others: each call has its span, and what it used is counted once."""

from __future__ import annotations

import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
from inline_snapshot import snapshot

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.in_process_lm import AsyncScriptedEngine, ScriptedEngine, engine_of
from tests.support.nested_lms import USED, Asking, Asks, Forwarding, Mixture, Voting, answers
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspy.clients.base_lm import BaseLM

    from tests.support.span_recorder import Recorder

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def _evaluated(lm: BaseLM, **context: Any) -> Recorder:
    with dspy.context(lm=lm, **context), recording(trace_shape="nested") as recorder:
        dspy.Evaluate(devset=examples(1), metric=exact, num_threads=1)(dspy.Predict("question -> answer"))
    _agree(recorder)
    return recorder


def _agree(recorder: Recorder) -> None:
    """The roll-up and the metric are the sums over the spans."""
    spans = recorder.attributes_of("chat")
    [evaluate] = recorder.attributes_of("evaluate")
    for kind in ("input", "output"):
        on_spans = sum(span.get(f"gen_ai.usage.{kind}_tokens", 0) for span in spans)
        assert evaluate[f"usage.{kind}_tokens"] == on_spans
        points = recorder.capture.metrics()
        assert on_spans == sum(
            cast("Any", point).sum
            for resource in (points.resource_metrics if points else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == "gen_ai.client.token.usage"
            for point in metric.data.data_points
            if (point.attributes or {})["gen_ai.token.type"] == kind
        )


def _calls(recorder: Recorder) -> list[str]:
    lines = recorder.tree("evaluate", "gen_ai.usage.input_tokens", "usage.input_tokens", "usage.lm_calls")
    return [line for line in lines if line.split()[0] in {"evaluate", "chat"}]


def test_a_model_that_calls_itself_is_one_call_with_all_its_tokens() -> None:
    """`super().__call__` three times is one span with the tokens of three requests and the last one's response."""
    engine = ScriptedEngine(answers)
    recorder = _evaluated(Voting("openai/voting", engine=engine, cache=False))
    [chat] = recorder.attributes_of("chat")
    assert {name: value for name, value in chat.items() if "usage" in name or "response" in name} == snapshot(
        {
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.response.model": "scripted-2026",
            "gen_ai.response.id": "response-3",
            "gen_ai.usage.input_tokens": 30,
            "gen_ai.usage.output_tokens": 15,
            "gen_ai.usage.cache_read.input_tokens": 12,
            "gen_ai.usage.reasoning.output_tokens": 6,
        }
    )
    assert _calls(recorder) == snapshot(
        ["evaluate exact usage.input_tokens=30 usage.lm_calls=1", "      chat voting gen_ai.usage.input_tokens=30"]
    )


async def test_a_model_that_calls_itself_is_recorded_alike_when_awaited() -> None:
    """`super().acall` three times as well."""
    engine = ScriptedEngine(answers)
    lm = Voting("openai/voting", engine=engine, async_engine=AsyncScriptedEngine(engine), cache=False)
    with recording() as recorder:
        await lm.acall("1+1")
    [chat] = recorder.attributes_of("chat")
    assert (chat["gen_ai.usage.input_tokens"], chat["gen_ai.response.id"]) == (30, "response-3")


def test_a_call_inside_a_call_counts_once() -> None:
    """A router's span has the other model's below it, which alone records tokens; the roll-up counts them once."""
    assert _calls(_evaluated(Asking(addition_lm()))) == snapshot(
        [
            "evaluate exact usage.input_tokens=10 usage.lm_calls=2",
            "      chat asking",
            "        chat scripted gen_ai.usage.input_tokens=10",
        ]
    )


def test_every_model_that_is_called_is_counted() -> None:
    """Two models inside of one have a span each; the tokens of both are counted."""
    assert _calls(_evaluated(Asking(addition_lm(), addition_lm(model="openai/other")))) == snapshot(
        [
            "evaluate exact usage.input_tokens=20 usage.lm_calls=3",
            "      chat asking",
            "        chat scripted gen_ai.usage.input_tokens=10",
            "        chat other gen_ai.usage.input_tokens=10",
        ]
    )


@pytest.mark.parametrize(
    "usage", [{}, {"prompt_tokens": 20, "completion_tokens": 10}, {"prompt_tokens": 10, "completion_tokens": 5}]
)
def test_a_mixture_without_use_of_its_own(usage: dict[str, int]) -> None:
    """One that reports nothing of its own, or what those that it asked have, adds no tokens."""
    assert _calls(_evaluated(Mixture(addition_lm(), addition_lm(model="openai/other"), usage=usage))) == snapshot(
        [
            "evaluate exact usage.input_tokens=20 usage.lm_calls=3",
            "      chat asking",
            "        chat scripted gen_ai.usage.input_tokens=10",
            "        chat other gen_ai.usage.input_tokens=10",
        ]
    )


def test_a_mixture_with_use_of_its_own() -> None:
    """Tokens that are not those of the models inside are counted beside theirs."""
    assert _calls(_evaluated(Mixture(addition_lm(), usage=USED))) == snapshot(
        [
            "evaluate exact usage.input_tokens=17 usage.lm_calls=2",
            "      chat asking gen_ai.usage.input_tokens=7",
            "        chat scripted gen_ai.usage.input_tokens=10",
        ]
    )


@pytest.mark.parametrize("make", [addition_lm, lambda: Voting("openai/v", engine=ScriptedEngine(answers), cache=False)])  # fmt: skip
def test_a_response_that_is_passed_on_is_counted_once(make: Callable[[], dspy.LM]) -> None:
    """An engine that returns another model's response reports its tokens a second time; a router of a router again."""
    router = dspy.LM("house/router", engine=Forwarding(make()), cache=False)
    outer = dspy.LM("house/outer", engine=Forwarding(router), cache=False)
    recorder = _evaluated(outer)
    assert [chat.get("gen_ai.usage.input_tokens") for chat in recorder.attributes_of("chat")][:2] == [None, None]


def test_a_cached_response_that_is_passed_on_costs_nothing() -> None:
    """What another model's cache answered adds no tokens to a router's call, though the response reports some."""
    cached = addition_lm(cache=True, rollout_id=77, temperature=1.0)
    _evaluated(dspy.LM("house/router", engine=Forwarding(cached), cache=False))
    recorder = _evaluated(dspy.LM("house/router", engine=Forwarding(cached), cache=False))
    assert recorder.attributes_of("evaluate")[0]["usage.cache_hits"] == 1
    assert _calls(recorder) == snapshot(
        ["evaluate exact usage.input_tokens=0 usage.lm_calls=2", "      chat router", "        chat scripted"]
    )


@pytest.mark.parametrize("first", [True, False])
def test_a_judge_in_a_callback_is_counted_beside_the_call(first: bool) -> None:  # noqa: FBT001 - a case
    """A model that is asked while another's call begins or ends is a call of its own, and so is the other."""
    assert _calls(_evaluated(addition_lm(), callbacks=[Asks(Mixture(usage=USED), first=first)])) == snapshot(
        [
            "evaluate exact usage.input_tokens=17 usage.lm_calls=2",
            "      chat scripted gen_ai.usage.input_tokens=10",
            "        chat asking gen_ai.usage.input_tokens=7",
        ]
    )


def test_a_model_that_fails_inside_is_counted() -> None:
    """A router that turns to a second model has two calls below it, the failed one an error without tokens."""

    class Fallback(Asking):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            first, second = cast("Any", self.others)
            try:
                return first(*args, **kwargs)
            except Exception:  # noqa: BLE001 - whatever it is, the second one is asked
                return second(*args, **kwargs)

    broken = addition_lm(model="openai/broken")
    engine_of(broken).failures = [dspy.lm15.ServerError("no")]
    assert _calls(_evaluated(Fallback(broken, addition_lm()))) == snapshot(
        [
            "evaluate exact usage.input_tokens=10 usage.lm_calls=3",
            "      chat asking",
            "        chat broken ERROR([openai/broken] no)",
            "        chat scripted gen_ai.usage.input_tokens=10",
        ]
    )


def test_usage_of_a_failed_call_is_recorded() -> None:
    """A model that calls itself twice and then fails has used tokens: the span records them as the roll-up does."""

    class Failing(dspy.LM):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            for _ in range(2):
                cast("Any", super().__call__)(*args, **kwargs)
            raise RuntimeError("the answers differ")

    recorder = _evaluated(Failing("openai/failing", engine=ScriptedEngine(answers), cache=False))
    assert _calls(recorder) == snapshot(
        [
            "evaluate exact usage.input_tokens=20 usage.lm_calls=1",
            "      chat failing gen_ai.usage.input_tokens=20 ERROR(the answers differ)",
        ]
    )


def test_a_call_in_a_thread_that_outlives_the_call_is_its_own() -> None:
    """What a model asks itself after its call has ended is no part of it."""
    threads: list[threading.Thread] = []
    gate = threading.Event()

    class Background(dspy.LM):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            """An answer, with another one asked for in the background."""

            def later() -> None:
                gate.wait()
                self("later")

            if args != ("later",):
                threads.append(threading.Thread(target=copy_context().run, args=(later,)))
                threads[-1].start()
            return cast("Any", super().__call__)(*args, **kwargs)

    with recording() as recorder:
        Background("openai/background", engine=ScriptedEngine(answers), cache=False)("now")
        gate.set()
        threads[0].join()
    assert recorder.tree("chat", "gen_ai.usage.input_tokens") == snapshot(
        ["chat background gen_ai.usage.input_tokens=10", "  chat background gen_ai.usage.input_tokens=10"]
    )
