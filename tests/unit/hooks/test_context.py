"""Where an example's spans stand, under threads, tasks and both shapes."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import dspy
import pytest

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.optimizers import Rounds
from tests.support.span_recorder import recording
from tests.support.two_step_programs import Thinking

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from tests.support.span_recorder import Recorder


class AwaitingInside(Thinking):
    """A program whose sync call runs its async one."""

    def forward(self, question: str) -> Any:
        """Answer in an event loop of its own."""
        return asyncio.run(self.aforward(question))


def _orphans(recorder: Recorder) -> list[str]:
    known = {span.get_span_context().span_id for span in recorder.spans}  # pyright: ignore[reportOptionalMemberAccess] - finished
    return [span.name for span in recorder.spans if span.parent is not None and span.parent.span_id not in known]


def _trace(span: ReadableSpan) -> int:
    return span.get_span_context().trace_id  # pyright: ignore[reportOptionalMemberAccess] - finished


@pytest.mark.parametrize("threads", [1, 4, 16])
@pytest.mark.parametrize("program", [Thinking, AwaitingInside])
def test_linked_examples_are_roots_linked_to_their_evaluation(threads: int, program: type[Thinking]) -> None:
    """In shape linked every example is a trace of its own with one link, and all its calls are in that trace."""
    with dspy.context(lm=addition_lm()), recording() as recorder:
        dspy.Evaluate(devset=examples(20), metric=exact, num_threads=threads)(program())
    (evaluate,) = recorder.named("evaluate")
    roots = recorder.named("example")
    assert [sorted(int(str(root.attributes["dspy.example.index"])) for root in roots if root.attributes)] == [
        list(range(20))
    ]
    for root in roots:
        assert root.parent is None
        assert [link.context for link in root.links] == [evaluate.get_span_context()]
    by_trace: dict[int, list[str]] = {_trace(root): [] for root in roots}
    for span in recorder.named("module") + recorder.named("chat"):
        by_trace[_trace(span)].append(span.name)
    inside = ["chat scripted", "chat scripted", "module ChainOfThought", "module Predict", "module Predict"]
    assert {tuple(sorted(names)) for names in by_trace.values()} == {
        tuple(sorted([*inside, f"module {program.__name__}"]))
    }
    assert _orphans(recorder) == []


@pytest.mark.parametrize("threads", [1, 4, 16])
def test_nested_examples_are_children_of_their_evaluation(threads: int) -> None:
    """In shape nested there is one trace, and every example is a child of the evaluation."""
    with dspy.context(lm=addition_lm()), recording(trace_shape="nested") as recorder:
        dspy.Evaluate(devset=examples(20), metric=exact, num_threads=threads)(Thinking())
    (evaluate,) = recorder.named("evaluate")
    assert {_trace(span) for span in recorder.spans} == {_trace(evaluate)}
    assert {span.parent.span_id for span in recorder.named("example") if span.parent} == {
        evaluate.get_span_context().span_id  # pyright: ignore[reportOptionalMemberAccess] - finished
    }
    assert len(recorder.named("example")) == 20
    assert _orphans(recorder) == []


@pytest.mark.parametrize("threads", [1, 4, 16])
def test_parallel_keeps_the_callers_context(threads: int) -> None:
    """`dspy.Parallel` and `Module.batch` in a program: their calls stay in the program's trace."""

    class Fanning(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.answer = dspy.Predict("question -> answer")

        def forward(self) -> Any:
            pairs = [(self.answer, example) for example in examples(8)]
            dspy.Parallel(num_threads=threads, disable_progress_bar=True)(pairs)
            return self.answer.batch(examples(8), num_threads=threads, disable_progress_bar=True)

    with dspy.context(lm=addition_lm()), recording() as recorder:
        Fanning()()
    assert recorder.tree("module", "module.name") == [
        "module Fanning module.name=self",
        *["  module Predict module.name=answer", "    chat scripted module.name=answer"] * 16,
    ]


async def test_gathered_calls_stay_apart() -> None:
    """Async calls at the same time are children of their caller, each with its own LM call."""
    with dspy.context(lm=addition_lm()), recording() as recorder:
        await asyncio.gather(*(Thinking().acall(question=f"{number}+1") for number in range(5)))
    tree = recorder.tree("module")
    assert (
        tree
        == [
            "module Thinking",
            "  module Predict",
            "    chat scripted",
            "  module ChainOfThought",
            "    module Predict",
            "      chat scripted",
        ]
        * 5
    )


def test_two_compiles_in_parallel_threads_do_not_mix() -> None:
    """Trials, evaluations and examples name the compile of their own thread, with dense indices."""
    lm = addition_lm()
    results: list[Any] = []

    def optimize(rounds: int) -> None:

        with dspy.context(lm=lm):
            optimizer = Rounds(exact, rounds=rounds)
            results.append(optimizer.compile(Thinking(), trainset=examples(rounds)))

    with recording() as recorder:
        threads = [threading.Thread(target=optimize, args=(rounds,)) for rounds in (3, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    compiles = recorder.named("compile")
    assert len(compiles) == len(results) == 2
    for compiled in compiles:
        assert compiled.attributes is not None
        own = compiled.attributes["dspy.compile.id"]
        rounds = compiled.attributes["dspy.compile.trial.count"]
        trials = [
            s.attributes for s in recorder.named("trial") if s.attributes and s.attributes["dspy.compile.id"] == own
        ]
        found = [
            s.attributes for s in recorder.named("example") if s.attributes and s.attributes["dspy.compile.id"] == own
        ]
        assert [trial["dspy.trial.index"] for trial in trials] == list(range(int(str(rounds))))
        assert len(found) == int(str(rounds)) ** 2
        assert compiled.attributes["dspy.usage.lm_calls"] == 2 * len(found)
    assert _orphans(recorder) == []
