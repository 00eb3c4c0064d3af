"""Planned work of a compile: runs of the program and the optimizer's own language model calls, each as a range."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from otel_dspy.telemetry.tallies.lm_roles import Role


@dataclass(frozen=True, slots=True)
class Amount:
    """A number that may be known only as a range."""

    low: float
    high: float | None
    """None if there is no upper bound."""
    likely: float

    @classmethod
    def exactly(cls, number: float) -> Self:
        """Return a number that is known."""
        return cls(number, number, number)

    @classmethod
    def between(cls, low: float, high: float | None, likely: float | None = None) -> Self:
        """Return a range.

        Args:
            low: the least possible number.
            high: the largest possible number; None if there is none.
            likely: the expected number; None for the middle, or for `low` without an upper bound.
        """
        middle = low if high is None else (low + high) / 2
        return cls(low, high, middle if likely is None else min(max(likely, low), high or likely))

    @property
    def is_exact(self) -> bool:
        """Whether the number is known."""
        return self.low == self.high

    def __add__(self, other: Amount) -> Amount:
        """Return the sum of both."""
        high = None if self.high is None or other.high is None else self.high + other.high
        return Amount(self.low + other.low, high, self.likely + other.likely)

    def times(self, factor: Amount) -> Amount:
        """Return the product of both."""
        high = None if self.high is None or factor.high is None else self.high * factor.high
        if 0 in {self.high, factor.high}:
            high = 0
        return Amount(self.low * factor.low, high, self.likely * factor.likely)


NOTHING = Amount.exactly(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """Planned work of a compile.

    Attributes:
        program_runs: runs of the program, or of a teacher, on one example.
        metric_runs: calls of the metric.
        demos: demos in the prompts of a predictor, summed over the program's runs, as far as they are known.
        own_calls: language model calls of the optimizer itself by role.
        reasons: why a number is a range, a sentence each.
    """

    program_runs: Amount = NOTHING
    metric_runs: Amount = NOTHING
    demos: Amount = NOTHING
    own_calls: Mapping[Role, Amount] = field(default_factory=dict["Role", Amount])
    reasons: tuple[str, ...] = ()

    def plus(self, other: CallPlan) -> CallPlan:
        """Return the work of both."""
        own_calls = dict(self.own_calls)
        for role, amount in other.own_calls.items():
            own_calls[role] = own_calls.get(role, NOTHING) + amount
        return CallPlan(
            program_runs=self.program_runs + other.program_runs,
            metric_runs=self.metric_runs + other.metric_runs,
            demos=self.demos + other.demos,
            own_calls=own_calls,
            reasons=tuple(dict.fromkeys((*self.reasons, *other.reasons))),
        )


def scored(runs: Amount, *reasons: str, demos: float = 0) -> CallPlan:
    """Return the plan of program runs that the metric scores once each.

    Args:
        runs: the runs.
        *reasons: why their number is a range.
        demos: demos of a predictor in each run, on average.
    """
    return CallPlan(program_runs=runs, metric_runs=runs, demos=runs.times(Amount.exactly(demos)), reasons=reasons)


NestedPlan = Callable[[Any, Mapping[str, Any]], CallPlan | None]
"""Returns the plan of a nested compile from its optimizer and the given arguments of its compile."""
