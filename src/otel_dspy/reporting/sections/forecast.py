"""Comparison of the forecast language model calls with those that were made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import CallForecast, Compile

_METRIC: Final = "judge"
"""Role of the calls of the metric, which a forecast does not include."""


@dataclass(frozen=True)
class ForecastLine:
    """One role, or all together."""

    role: str | None
    """None: all roles except the metric's."""
    low: int
    high: int | None
    """None: there is no bound."""
    actual: int

    @property
    def deviation(self) -> int:
        """Number of calls above the most (positive) or below the fewest (negative) that were forecast; else 0."""
        if self.high is not None and self.actual > self.high:
            return self.actual - self.high
        return min(0, self.actual - self.low)


def forecast(found: Compile) -> tuple[ForecastLine, ...]:
    """Return the total, then each role; empty without a forecast."""
    used = {role: use.calls for role, use in found.usage_by_role.items()}
    total = found.usage.calls - used.get(_METRIC, 0)

    def line(role: str | None, planned: CallForecast) -> ForecastLine:
        return ForecastLine(role, planned.low, planned.high, total if role is None else used.get(role, 0))

    planned = sorted(found.forecast.items(), key=lambda one: one[0] or "")
    return tuple(line(role, calls) for role, calls in planned)
