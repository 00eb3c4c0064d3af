"""An evaluation that raises while its threads still run, and an optimizer that continues after it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from dspy.teleprompt import Teleprompter

from tests.support.addition_task import exact, examples, half_right
from tests.support.dspy_answers import dspy_script, input_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.lm_server import Message


class GatedEvaluation:
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
                self._started.wait(300)
            if question != "0+1":
                self.gate.wait(300)
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
            thread.join(300)


class GoesOn(Teleprompter):
    """An optimizer that goes on after an evaluation that raised."""

    def __init__(self, gated: GatedEvaluation) -> None:
        super().__init__()
        self.metric = gated.metric
        self.gated = gated

    def compile(self, student: Any, *, trainset: list[Any], **_kwargs: Any) -> Any:
        """Evaluate twice; the threads of the first time end before the second begins."""
        self.gated.evaluate(student)
        self.gated.let_go_on()
        dspy.Evaluate(devset=trainset, metric=self.metric, num_threads=1)(student)
        return student
