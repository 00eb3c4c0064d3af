"""Classes and objects of the user's that are unlike DSPy's own do what they do without us."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from dspy.utils.unbatchify import Unbatchify
from opentelemetry.context import attach, detach, set_value
from typing_extensions import override

from otel_dspy import DSPyInstrumentor
from otel_dspy.runtime import error_guard
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.span_recorder import recording
from tests.support.with_and_without import same_with_and_without

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


class _Yielding(dspy.BaseLM):
    @override
    async def acall(self, *_args: Any, **_kwargs: Any) -> AsyncIterator[str]:  # type: ignore[override]
        for word in ["a", "b", "c"]:
            await asyncio.sleep(0)
            yield word


class _Starting(dspy.BaseLM):
    @override
    def acall(self, *_args: Any, **_kwargs: Any) -> Any:
        async def answer() -> list[str]:
            return ["started"]

        return asyncio.ensure_future(answer())


class _Passing(dspy.BaseLM):
    @override
    def acall(self, *_args: Any, **_kwargs: Any) -> Any:
        async def answer() -> list[str]:
            return ["passed"]

        return answer()


class _Streaming(dspy.ReAct):
    @override
    async def aforward(self, **_inputs: Any) -> AsyncIterator[str]:  # type: ignore[override]
        for word in ["x", "y"]:
            yield word


async def _all_of(words: AsyncIterator[str]) -> list[str]:
    return [word async for word in words]


async def _done(future: asyncio.Future[list[str]]) -> list[str]:
    done, _ = await asyncio.wait([future])
    return next(iter(done)).result()


_SIGNATURE: Any = "q -> answer"


def _search(query: str) -> str:
    return query


@pytest.mark.parametrize(
    ("call", "spans"),
    [
        (lambda: _all_of(_Yielding("m/s").acall("hi")), []),
        (lambda: _done(_Starting("m/s").acall("hi")), []),
        (lambda: _Passing("m/s").acall("hi"), ["chat s"]),
        (lambda: _all_of(_Streaming(_SIGNATURE, tools=[_search]).aforward(q="1")), []),
    ],
)
def test_an_async_method_may_give_anything(call: Callable[[], Awaitable[list[str]]], spans: list[str]) -> None:
    """What yields, and a future, come as they are; a coroutine is instrumented, whichever code created it."""

    async def run() -> list[str]:
        return await call()

    recorder = same_with_and_without(lambda: asyncio.run(run()))
    assert recorder.tree("") == spans


class _Frozen(type):
    @override
    def __setattr__(cls, name: str, value: object) -> None:
        raise AttributeError(name)


@pytest.mark.usefixtures("only_own_garbage")
def test_a_class_that_takes_no_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays unwatched, which is reported, and everything else is watched."""
    reported: list[str] = []

    def report(part: str, _error: BaseException) -> None:
        reported.append(part)

    def check() -> list[str]:
        class FrozenLM(dspy.BaseLM, metaclass=_Frozen):
            @override
            def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
                return ["frozen"]

        return same_with_and_without(lambda: (FrozenLM("m/s")("hi"), addition_lm()("hi") is not None)).tree("")

    monkeypatch.setattr(error_guard, "report", report)
    spans = check()
    gc.collect()  # the class as well, or each test after this one would report it
    assert [line.split()[0] for line in spans] == ["chat"]
    assert reported == ["wrapping FrozenLM.__call__"]


class _Uncomparable:
    @override
    def __eq__(self, other: object) -> bool:
        raise ValueError

    @override
    def __hash__(self) -> int:
        return 1


def test_contexts_are_not_compared() -> None:
    """Callers who put the same text in at the same time, each with an object in its context that is not to be compared."""

    def run() -> list[str]:
        together = threading.Barrier(3)
        batched = Unbatchify(lambda texts: [text.upper() for text in texts], max_wait_time=0.1)

        def ask(_number: int) -> str:
            token = attach(set_value("array", _Uncomparable()))
            try:
                together.wait()
                return str(batched("a"))
            finally:
                detach(token)

        with batched, ThreadPoolExecutor(3) as pool:
            return list(pool.map(ask, range(3)))

    same_with_and_without(run)


class _Held:
    """What a frame holds."""


@pytest.mark.usefixtures("only_own_garbage")
def test_an_error_that_was_caught_goes_with_its_frames() -> None:
    """A program that goes on after a tool's failure keeps nothing of it, as without us."""
    held: list[weakref.ref[_Held]] = []

    def fail(query: str) -> str:
        something = _Held()
        held.append(weakref.ref(something))
        raise ValueError(query)

    class Careful(dspy.Module):
        def forward(self) -> str:
            tool: Any = dspy.Tool(fail)
            try:
                return str(tool(query="1"))
            except ValueError:
                return "nothing"

    def run() -> tuple[str, bool]:
        program: Any = Careful()
        answer = program()
        gc.collect()
        return answer, held.pop()() is None

    same_with_and_without(run)


def test_many_threads_instrument_at_once() -> None:
    """Spans are recorded once, and afterwards nothing stays behind."""
    before, again = vars(dspy.Module)["__call__"], DSPyInstrumentor()
    for _ in range(5):
        with recording() as recorder, dspy.context(lm=addition_lm()):
            with ThreadPoolExecutor(4) as pool:
                for change in (again.uninstrument, partial(again.instrument, **recorder.capture.providers)):
                    for done in [pool.submit(change) for _ in range(4)]:
                        done.result()
            predict: Any = dspy.Predict("question -> answer")
            predict(question="1+1")
        assert len(recorder.tree("")) == 2
    assert vars(dspy.Module)["__call__"] is before


class _Many(dspy.Module):
    """More predictors than a span may have attributes for."""

    def __init__(self) -> None:
        super().__init__()
        for number in range(70):
            setattr(self, f"predict_{number}", dspy.Predict("question -> answer"))

    def forward(self, question: str) -> Any:
        predict: Any = getattr(self, "predict_0")  # noqa: B009 - as it was set
        return predict(question=question)


def test_a_program_with_more_parameters_than_a_span_has_room_for() -> None:
    """Its trials lose some of these, and nothing of what they are and how they went."""
    with dspy.context(lm=addition_lm()), recording() as recorder:
        optimizer: Any = dspy.MIPROv2(
            metric=exact, auto=None, num_candidates=2, max_bootstrapped_demos=1, max_labeled_demos=1, num_threads=1,
            seed=1,
        )  # fmt: skip
        optimizer.compile(_Many(), trainset=examples(4), valset=examples(3), num_trials=1, minibatch=False)
    trials = [span for span in recorder.capture.spans if span.name == "trial MIPROv2"]
    assert [span.dropped_attributes > 0 for span in trials] == [False, True]
    recorded = [dict(span.attributes or {}) for span in trials]
    names = ("operation.name", "trial.index", "trial.kind", "trial.state", "trial.score", "usage.lm_calls")
    assert [[attributes.get(f"dspy.{name}") for name in names] for attributes in recorded] == [
        ["trial", 0, "baseline", "complete", 33.33, 3],
        ["trial", 1, "candidate", "complete", 33.33, 3],
    ]
    assert [attributes["dspy.compile.id"] for attributes in recorded] == ["c1", "c1"]
