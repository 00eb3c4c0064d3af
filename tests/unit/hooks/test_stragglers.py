"""An example that takes too long is run again: it counts once, and the late run is marked as not counted."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import dspy
from dspy.utils.parallelizer import ParallelExecutor
from inline_snapshot import snapshot

from tests.support.addition_task import exact, examples, half_right
from tests.support.dspy_answers import dspy_script, input_fields
from tests.support.in_process_lm import in_process_lm
from tests.support.optimizers import Rounds
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from tests.support.lm_server import Message
    from tests.support.span_recorder import Recorder


def _straggling(monkeypatch: pytest.MonkeyPatch, trainset: list[dspy.Example]) -> Recorder:
    """Evaluated once in an optimizer, in two threads; the first answer to `1+1` comes when all else is over.

    Other questions are answered once it was asked, so that the third example starts when the first one's question is under way.
    """
    usual: Any = vars(ParallelExecutor)["__init__"]

    def impatient(self: Any, *args: Any, **kwargs: Any) -> None:
        # One that is late is run again where it is the last one alone: any other may be late on a busy machine.
        usual(self, *args, **{**kwargs, "timeout": 0.1, "straggler_limit": 1})

    monkeypatch.setattr(ParallelExecutor, "__init__", impatient)
    asked, over, late = threading.Event(), threading.Event(), threading.Event()
    first = iter([True])
    answer = dspy_script({"answer": half_right})

    def script(messages: Sequence[Message]) -> str:
        if input_fields(messages)["question"] == "1+1" and next(first, False):
            asked.set()
            over.wait(300)
        assert asked.wait(300)
        return answer(messages)

    def noting(example: Any, prediction: Any, trace: object = None) -> bool:
        if over.is_set():
            late.set()
        return exact(example, prediction, trace)

    class Wide(Rounds):
        """Evaluates once, in two threads: the third example starts when one of the first two has ended."""

        def compile(self, student: Any, *, trainset: list[Any], **_kwargs: Any) -> Any:
            """Evaluate."""
            dspy.Evaluate(devset=trainset, metric=self.metric, num_threads=2)(student)
            return student

    with recording() as recorder:
        with dspy.context(lm=in_process_lm(script)):
            Wide(noting).compile(dspy.Predict("question -> answer"), trainset=trainset)
        over.set()
        assert late.wait(300)
        for thread in threading.enumerate():
            if thread.name.startswith("ThreadPoolExecutor"):
                thread.join(30)
    return recorder


def _recorded(recorder: Recorder) -> list[tuple[int, float | None, bool | None]]:
    """Position, score and whether it is a repetition, of each run of an example."""
    return [
        (one["example.index"], one.get("example.score"), one.get("example.repeated"))
        for one in sorted(
            recorder.attributes_of("example"), key=lambda one: (one["example.index"], "example.repeated" in one)
        )
    ]


def test_a_straggler_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run makes the row, the score and the event; the first ends after the compile, recorded as repeated.

    What its call used is in no total, for they were recorded before it ended.
    """
    recorder = _straggling(monkeypatch, examples(3))
    (evaluate,) = recorder.attributes_of("evaluate")
    (compiled,) = recorder.attributes_of("compile")
    assert (evaluate["evaluate.num_examples"], evaluate["evaluate.num_errors"]) == (3, 0)
    assert (evaluate["usage.lm_calls"], compiled["usage.lm_calls"]) == (3, 3)
    assert _recorded(recorder) == snapshot([(0, 0.0, None), (1, 1.0, None), (1, None, True), (2, 0.0, None)])
    names = [name for name, _ in recorder.events()]
    assert names.count("gen_ai.evaluation.result") == 3
    counted = sum(value for _, value in recorder.metrics()["dspy.evaluate.examples"])
    assert counted == 3


def test_a_straggler_that_is_listed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same object at two positions: its second run is recorded at the position of its first, and every row is there."""
    even, odd = examples(2)[1], examples(1)[0]
    recorder = _straggling(monkeypatch, [even, odd, even])
    assert _recorded(recorder) == snapshot([(0, 1.0, None), (0, None, True), (1, 0.0, None), (2, 1.0, None)])
    (evaluate,) = recorder.attributes_of("evaluate")
    assert [row["index"] for row in json.loads(evaluate["evaluate.results"])] == [0, 1, 2]
