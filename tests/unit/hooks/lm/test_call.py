"""LM spans: facts of every kind of language model, and roll-ups that agree with them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
from dspy.clients.base_lm import BaseLM
from dspy.clients.call_result import AttributeDict
from dspy.utils import DummyLM
from dspy.utils.exceptions import LMError
from inline_snapshot import snapshot

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.in_process_lm import engine_of
from tests.support.optimizers import Rounds
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import ReadableSpan

    from tests.support.span_recorder import Recorder

SECRET = "sk-planted-secret-0123456789abcdef"
ROLLUPS = ("input_tokens", "output_tokens", "lm_calls", "cache_hits", "unpriced_calls")


def _no_wait(_seconds: float) -> None:
    """Stand in for `time.sleep` between two attempts."""


def _chat(recorder: Recorder) -> list[dict[str, Any]]:
    return [dict(span.attributes or {}) for span in recorder.named("chat")]


def test_an_lm_call_records_tokens_model_id_and_finish_reason() -> None:
    """Everything that DSPy knows of a call stands on its span; without content no text does."""
    lm = addition_lm(temperature=0.5, max_tokens=64)
    with dspy.context(lm=lm), recording() as recorder:
        dspy.Predict("question -> answer")(question="1+1")
    assert _chat(recorder) == snapshot(
        [
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "scripted",
                "gen_ai.request.temperature": 0.5,
                "gen_ai.request.max_tokens": 64,
                "gen_ai.response.finish_reasons": ("stop",),
                "gen_ai.response.model": "scripted-2026",
                "gen_ai.response.id": "response-1",
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 5,
                "gen_ai.usage.cache_read.input_tokens": 4,
                "gen_ai.usage.reasoning.output_tokens": 2,
                "gen_ai.prompt.name": "Predict",
                "gen_ai.prompt.version": "8e9c96e2db2495f9",
                "dspy.module.name": "self",
                "dspy.lm.retries": 0,
                "dspy.lm.cache_hit": False,
            }
        ]
    )


def test_content_goes_out_as_messages() -> None:
    """With content on, the prompt and the answer stand on the span in the standard's form."""
    with dspy.context(lm=addition_lm()), recording(capture_content=True) as recorder:
        dspy.Predict("question -> answer")(question="1+1")
    (chat,) = _chat(recorder)
    assert "1+1" in chat["gen_ai.input.messages"]
    assert chat["gen_ai.output.messages"] == snapshot(
        '[{"role":"assistant","parts":[{"content":"[[ ## answer ## ]]\\n2\\n\\n[[ ## completed ## ]]\\n","type":"text"}],"finish_reason":"stop","name":null}]'
    )


async def test_an_awaited_call_is_recorded_alike() -> None:
    """`acall` gives the span that a call gives."""
    with dspy.context(lm=addition_lm()), recording() as called:
        dspy.Predict("question -> answer")(question="1+1")
    with dspy.context(lm=addition_lm()), recording() as awaited:
        await dspy.Predict("question -> answer").acall(question="1+1")
    assert _chat(awaited) == _chat(called)


def test_retries_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two attempts that failed and one that did not are one span with two retries."""
    monkeypatch.setattr("dspy.clients.execution.time.sleep", _no_wait)
    lm = addition_lm(num_retries=3)
    engine_of(lm).failures = [dspy.lm15.ServerError("busy"), dspy.lm15.RateLimitError("slow down")]
    with dspy.context(lm=lm), recording() as recorder:
        dspy.Predict("question -> answer")(question="1+1")
    assert [chat["dspy.lm.retries"] for chat in _chat(recorder)] == [2]


def test_a_failed_call_records_its_error_and_no_key() -> None:
    """The span is an error with the exception's type; a key inside the message is taken out; DSPy's error goes on."""
    lm = addition_lm(num_retries=1)
    engine_of(lm).failures = [dspy.lm15.AuthError(f"bad key {SECRET}")]
    with dspy.context(lm=lm), recording(capture_content=True) as recorder, pytest.raises(LMError, match="bad key"):
        dspy.Predict("question -> answer")(question="1+1")
    (chat,) = recorder.named("chat")
    assert not chat.status.is_ok
    assert chat.status.description is not None
    assert "[redacted]" in chat.status.description
    assert SECRET not in str([(span.attributes, span.status.description, span.events) for span in recorder.spans])
    assert [chat["dspy.lm.retries"] for chat in _chat(recorder)] == [0]


def test_two_candidates_are_one_span() -> None:
    """`n=2` makes two requests; their tokens add up on the one span, with both finish reasons."""
    with dspy.context(lm=addition_lm()), recording() as recorder:
        dspy.Predict("question -> answer", n=2)(question="1+1")
    (chat,) = _chat(recorder)
    assert chat["gen_ai.usage.input_tokens"] == 20
    assert chat["gen_ai.response.finish_reasons"] == ("stop", "stop")
    assert chat["gen_ai.request.choice.count"] == 2


def test_dummy_lm_is_seen() -> None:
    """DSPy's own test model has a span like any other."""
    with dspy.context(lm=DummyLM([{"answer": "2"}])), recording() as recorder:
        dspy.Predict("question -> answer")(question="1+1")
    assert recorder.tree("module", "gen_ai.provider", "gen_ai.request.model", "dspy.lm") == snapshot(
        ["module Predict", "  chat dummy gen_ai.provider.name=dummylm gen_ai.request.model=dummy"]
    )


def test_a_seed_beyond_64_bits_is_recorded_as_text() -> None:
    """OTLP has no larger integers: encoding one would fail, and the attribute be lost."""
    with recording() as recorder:
        for seed in (2**63 + 5, 2**63 - 1):
            dspy.Predict("question -> answer")(question="1+1", lm=addition_lm(seed=seed))
    recorded = [call["gen_ai.request.seed"] for call in _chat(recorder)]
    assert recorded == [str(2**63 + 5), 2**63 - 1]


class OwnForward(BaseLM):
    """A language model of the old kind: OpenAI-shaped answers from `forward`."""

    def forward(self, prompt: str | None = None, messages: Any = None, **kwargs: Any) -> Any:
        """One answer with its usage."""
        del prompt, messages, kwargs
        return AttributeDict(
            {
                "id": "own-1",
                "model": "own-served",
                "choices": [{"message": {"content": "[[ ## answer ## ]]\n2"}, "finish_reason": "length"}],
                "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
            }
        )


class OwnCall(OwnForward):
    """A language model that overrides `__call__` itself."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Answer by way of the base class."""
        return cast("Any", super().__call__)(*args, **kwargs)


class OwnCallAlone(BaseLM):
    """A language model whose `__call__` calls no other model."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """One answer."""
        del args, kwargs
        return ["[[ ## answer ## ]]\n2"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("kind", [OwnForward, OwnCall, OwnCallAlone])
def test_any_base_lm_is_seen_once(kind: type[BaseLM]) -> None:
    """A user's LM has one span, whichever method it overrides, with the data of its answer."""
    with dspy.context(lm=kind("house/own")), recording() as recorder:
        dspy.Predict("question -> answer")(question="1+1")
    (chat,) = _chat(recorder)
    recorded = {
        name: chat.get(f"gen_ai.{name}")
        for name in ("response.id", "response.model", "usage.input_tokens", "response.finish_reasons")
    }
    expected: Mapping[str, Any] = {
        "response.id": "own-1",
        "response.model": "own-served",
        "usage.input_tokens": 7,
        "response.finish_reasons": ("length",),
    }
    assert recorded == (dict.fromkeys(expected) if kind is OwnCallAlone else expected)
    assert chat["gen_ai.provider.name"] == "house"


@pytest.mark.parametrize("threads", [1, 4])
def test_rollups_agree_with_the_lm_spans(threads: int) -> None:
    """On example, evaluate, trial and compile each roll-up is the sum over the LM spans inside."""
    with dspy.context(lm=addition_lm()), recording(trace_shape="nested") as recorder:
        Rounds(exact).compile(dspy.ChainOfThought("question -> answer"), trainset=examples(5 * threads))
    parents = {_span_id(span): span.parent.span_id if span.parent else None for span in recorder.spans}
    sums: dict[int, Counter[str]] = {}
    for chat in recorder.named("chat"):
        attributes = chat.attributes or {}
        call = Counter(
            input_tokens=int(str(attributes["gen_ai.usage.input_tokens"])),
            output_tokens=int(str(attributes["gen_ai.usage.output_tokens"])),
            lm_calls=1,
            unpriced_calls=1,
        )
        above = parents[_span_id(chat)]
        while above is not None:
            sums.setdefault(above, Counter()).update(call)
            above = parents[above]
    checked = Counter[str]()
    for span in recorder.spans:
        kind = span.name.split()[0]
        if kind in {"compile", "trial", "evaluate", "example"}:
            checked[kind] += 1
            expected = sums[_span_id(span)]
            assert _rollup(span) == pytest.approx({name: expected[name] for name in ROLLUPS})
    assert checked == {"compile": 1, "trial": 2, "evaluate": 2, "example": 10 * threads}


def test_totals_so_far_end_at_the_compiles_own() -> None:
    """A trial's `dspy.compile.usage.*` grows from trial to trial up to the compile's total."""
    with dspy.context(lm=addition_lm()), recording() as recorder:
        Rounds(exact, rounds=3).compile(dspy.Predict("question -> answer"), trainset=examples(2))
    so_far = [(trial.attributes or {})["dspy.compile.usage.lm_calls"] for trial in recorder.named("trial")]
    assert so_far == [2, 4, 6]
    assert _rollup(recorder.named("compile")[0])["lm_calls"] == 6


def _span_id(span: ReadableSpan) -> int:
    return span.get_span_context().span_id  # pyright: ignore[reportOptionalMemberAccess] - finished


def _rollup(span: ReadableSpan) -> dict[str, Any]:
    assert "dspy.usage.cost" not in (span.attributes or {})
    return {name: (span.attributes or {})[f"dspy.usage.{name}"] for name in ROLLUPS}
