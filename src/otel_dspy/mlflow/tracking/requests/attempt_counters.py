"""Attempted operations of one destination, counted by outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.mlflow.tracking.requests.retry import Retrier

Value = TypeVar("Value")


class CountedAttempts:
    """Attempts operations with a retry policy and counts their outcomes."""

    def __init__(self, retrier: Retrier) -> None:
        self.retrier = retrier
        self.done = 0
        """Number of operations and span batches that MLflow accepted."""
        self.lost = 0
        """Number of operations and span batches that MLflow rejected."""
        self.failed = 0
        """Number of operations and span batches that failed and may succeed in a later replay."""

    def run(self, what: str, attempt: Callable[[], Value]) -> Value | None:
        """Attempt an operation and count its outcome.

        Args:
            what: name of the operation, for log messages.
            attempt: performs it; may be called repeatedly.

        Returns:
            What `attempt` returned; None if MLflow rejected the operation or it failed.

        Raises:
            Stopped: the deadline has passed.
        """
        result = self.retrier.run(what, attempt)
        self.count(result.outcome)
        return result.value

    def count(self, outcome: Outcome) -> None:
        """Count the outcome of an operation that was attempted elsewhere."""
        self.done += outcome is Outcome.DONE
        self.lost += outcome is Outcome.REJECTED
        self.failed += outcome is Outcome.FAILED
