"""Fault injection at the n-th call, counted over the calls of a model and a metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.addition_task import exact

if TYPE_CHECKING:
    import dspy


@dataclass
class BreakingPoint:
    """Raises `error` at call number `at`, from 0. With None nothing breaks, and the calls are counted."""

    at: int | None = None
    error: BaseException | None = None
    calls: int = 0

    def pass_by(self) -> None:
        """One call."""
        self.calls += 1
        if self.calls - 1 == self.at and self.error is not None:
            raise self.error

    def metric(self, example: dspy.Example, prediction: Any, trace: object = None) -> bool:
        """Whether the answer is the sum; no prediction is no sum."""
        self.pass_by()
        return prediction is not None and exact(example, prediction, trace)
