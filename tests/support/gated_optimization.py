"""An optimization of two trials, each of which starts when the test allows it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dspy

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.optimizers import Rounds

if TYPE_CHECKING:
    from collections.abc import Generator

TRIALS = 2


class GatedOptimization:
    """Trial n waits in its first metric call until `let(n)`."""

    def __init__(self, patience: float) -> None:
        """Create the optimizer; a trial that is not released starts after `patience` seconds."""
        self._patience = patience
        self._gates = [threading.Event() for _ in range(TRIALS)]
        self._ahead = iter(self._gates)

    def _metric(self, example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> bool:
        if example["question"] == "0+1":
            next(self._ahead).wait(self._patience)
        return exact(example, prediction, trace)

    def __call__(self) -> None:
        """Optimize: `Rounds` on two examples, of which the model gets one right."""
        with dspy.context(lm=addition_lm()):
            Rounds(self._metric).compile(dspy.Predict("question -> answer"), trainset=examples(2))

    def let(self, trial: int) -> None:
        """Let a trial go."""
        self._gates[trial].set()

    @contextmanager
    def released(self) -> Generator[None]:
        """However the test ends, no thread is left waiting."""
        try:
            yield
        finally:
            for gate in self._gates:
                gate.set()
