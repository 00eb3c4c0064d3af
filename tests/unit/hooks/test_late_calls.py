"""`Evaluate` that has raised while its threads go on: their calls end after the spans that they belong to."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from dspy.teleprompt import Teleprompter

from tests.dspy_answers import dspy_script, input_fields
from tests.in_process_lm import in_process_lm
from tests.span_recorder import recording
from tests.sums import exact, examples, half_right

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lm_server import Message
    from tests.span_recorder import Recorder


class _GatedEvaluation:
    """Six examples in four threads: the metric breaks on the first while the calls of three others wait for `gate`."""

    def __init__(self, verdict: Exception | None) -> None:
        self.gate = threading.Event()
        self._pool: set[threading.Thread] = set()
        self._verdict = verdict
        self._started = threading.Barrier(4)
        self._answer = dspy_script({"answer": half_right})

    def script(self, messages: Sequence[Message]) -> str:
        """What the model answers."""
        if not self.gate.is_set():
            question = input_fields(messages)["question"]
            if question in {"0+1", "1+1", "2+1", "3+1"}:
                self._started.wait(30)
            if question != "0+1":
                self.gate.wait(30)
        return self._answer(messages)

    def metric(self, example: Any, prediction: Any, trace: object = None) -> bool | None:
        """Raise, or return None, on the first example before the gate is open."""
        if self.gate.is_set():
            return exact(example, prediction, trace)
        if self._verdict is not None:
            raise self._verdict
        return None

    def evaluate(self, program: Any) -> None:
        """Evaluate until DSPy raises."""
        before = set(threading.enumerate())
        # What a metric raises reaches the pool as a count of errors, None as the TypeError of a sum.
        with pytest.raises(Exception, match="cancelled" if self._verdict is not None else "NoneType"):
            dspy.Evaluate(devset=examples(6), metric=self.metric, num_threads=4, max_errors=1)(program)
        started = set(threading.enumerate()) - before
        self._pool = {thread for thread in started if thread.name.startswith("ThreadPoolExecutor")}

    def let_go_on(self) -> None:
        """Open the gate and wait for the pool's threads."""
        self.gate.set()
        for thread in self._pool:
            thread.join(30)


class _GoesOn(Teleprompter):
    """An optimizer that goes on after an evaluation that raised."""

    def __init__(self, gated: _GatedEvaluation) -> None:
        super().__init__()
        self.metric = gated.metric
        self.gated = gated

    def compile(self, student: Any, *, trainset: list[Any], **_kwargs: Any) -> Any:
        """Evaluate twice; the threads of the first time end before the second begins."""
        self.gated.evaluate(student)
        self.gated.let_go_on()
        dspy.Evaluate(devset=trainset, metric=self.metric, num_threads=1)(student)
        return student


def _sums(recorder: Recorder, name: str) -> list[tuple[int, int, int | None]]:
    """Calls, input tokens and late calls of each span of that name."""
    return [
        (one["usage.lm_calls"], one["usage.input_tokens"], one.get("usage.late_calls")) for one in recorder.told(name)
    ]


# After an error, DSPy's pool drops the examples that wait for a thread; after None it runs them too.
@pytest.mark.parametrize(("verdict", "late"), [(ValueError("broken"), 3), (None, 5)], ids=["raises", "none"])
def test_calls_that_end_after_their_trial(verdict: Exception | None, late: int) -> None:
    """The trial's sum is final; the compile, which is still open, adds the calls and says how many they are."""
    gated = _GatedEvaluation(verdict)
    with recording() as recorder, dspy.context(lm=in_process_lm(gated.script)):
        _GoesOn(gated).compile(dspy.Predict("question -> answer"), trainset=examples(2))
    assert _sums(recorder, "evaluate") == [(1, 10, None), (2, 20, None)]
    assert _sums(recorder, "trial") == [(1, 10, None), (2, 20, None)]
    assert _sums(recorder, "compile") == [(3 + late, 30 + 10 * late, late)]
    assert sum(one.get("lm.late", False) for one in recorder.told("chat")) == late


@pytest.mark.parametrize(("verdict", "late"), [(ValueError("broken"), 3), (None, 5)], ids=["raises", "none"])
def test_calls_that_end_after_everything_around(verdict: Exception | None, late: int) -> None:
    """They are in the sums of their examples, and the calls' spans say that the evaluation's sum lacks them."""
    gated = _GatedEvaluation(verdict)
    with recording() as recorder, dspy.context(lm=in_process_lm(gated.script)):
        gated.evaluate(dspy.Predict("question -> answer"))
        gated.let_go_on()
    assert _sums(recorder, "evaluate") == [(1, 10, None)]
    assert _sums(recorder, "example") == [(1, 10, None)] * (1 + late)
    assert sum(one.get("lm.late", False) for one in recorder.told("chat")) == late
