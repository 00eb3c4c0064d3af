"""Counter of failed examples inside an evaluation, a trial or a compile."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from otel_dspy import semconv

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue


class ExampleFailure(NamedTuple):
    """Exception of the program or the metric: the value of `error.type`, and the redacted, truncated message."""

    type: str
    message: str


class ExampleTally:
    """Thread-safe counter that also adds to the enclosing tally."""

    __slots__ = ("_around", "_count", "_failed", "_first", "_lock")

    def __init__(self, around: ExampleTally | None = None) -> None:
        self._around = around
        self._lock = threading.Lock()
        self._count = 0
        self._failed = 0
        self._first: ExampleFailure | None = None

    def add(self, failure: ExampleFailure | None) -> None:
        """Count an ended example here and in all enclosing tallies; None if it did not fail."""
        with self._lock:
            self._count += 1
            if failure is not None:
                self._failed += 1
                self._first = self._first or failure
        if self._around is not None:
            self._around.add(failure)

    def attributes(self) -> dict[str, AttributeValue]:
        """Return the attributes `dspy.failures.*`; empty if no example failed."""
        with self._lock:
            if self._first is None:
                return {}
            return {
                semconv.DSPY_FAILURES_EXAMPLES: self._failed,
                semconv.DSPY_FAILURES_ALL: self._failed == self._count,
                semconv.DSPY_FAILURES_FIRST_TYPE: self._first.type,
                semconv.DSPY_FAILURES_FIRST_MESSAGE: self._first.message,
            }
