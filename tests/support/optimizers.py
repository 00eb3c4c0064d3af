"""Optimizers that a user might have written."""

from __future__ import annotations

from typing import Any

import dspy
from dspy.teleprompt import Teleprompter

from tests.support.addition_task import exact


class Rounds(Teleprompter):
    """A user's optimizer: it scores the program once, and again with another instruction."""

    def __init__(self, metric: Any, rounds: int = 2, api_key: str = "sk-planted-secret-0123456789") -> None:
        super().__init__()
        self.metric = metric
        self.rounds = rounds
        self.api_key = api_key

    def compile(self, student: Any, *, trainset: list[Any], **_kwargs: Any) -> Any:
        """Evaluate `rounds` times."""
        for _ in range(self.rounds):
            dspy.Evaluate(devset=trainset, metric=self.metric, num_threads=1)(student)
        return student


class Breaking(Teleprompter):
    """An optimizer that fails after its first evaluation."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.metric = exact
        self.error = error

    def compile(self, student: Any, *, trainset: list[Any], **_kwargs: Any) -> Any:
        """Evaluate once, then raise."""
        dspy.Evaluate(devset=trainset, metric=self.metric, num_threads=1)(student)
        raise self.error
