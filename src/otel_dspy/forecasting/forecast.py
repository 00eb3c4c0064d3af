"""A forecast as a value, and as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_dspy.hooks.optimizers.plans.call_plan import Amount


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Forecast of an optimization. Each number is an `Amount` with `low`, `high` (None without a bound) and `likely`.

    Attributes:
        optimizer: name of the optimizer's class.
        program: name of the program's class.
        program_runs: runs of the program on an example.
        lm_calls: language model calls, in total.
        calls_by_role: the same by role: `task`, `prompt`, `reflection`, `judge`.
        tokens: input and output tokens; None without the rates of measured examples or of a past run.
        cost: USD; None without such rates or without known prices.
        seconds: duration; None without such rates.
        source: what tokens, cost and time are based on; None without such rates.
        notes: what the numbers assume, and why some are ranges.
    """

    optimizer: str
    program: str
    program_runs: Amount
    lm_calls: Amount
    calls_by_role: Mapping[str, Amount] = field(default_factory=dict[str, "Amount"])
    tokens: Amount | None = None
    cost: Amount | None = None
    seconds: Amount | None = None
    source: str | None = None
    notes: tuple[str, ...] = ()

    @override
    def __str__(self) -> str:
        """Return the forecast as lines of text."""
        rows = [("program runs", _range(self.program_runs, _whole)), ("LM calls", _range(self.lm_calls, _whole))]
        rows += [(f"  {role}", _range(amount, _whole)) for role, amount in self.calls_by_role.items()]
        if self.tokens is not None:
            rows.append(("tokens", _range(self.tokens, _whole)))
        if self.cost is not None:
            rows.append(("cost", f"{_range(self.cost, _cost)} USD"))
        if self.seconds is not None:
            rows.append(("time", f"{_range(self.seconds, _whole)} s"))
        width = max(len(name) for name, _ in rows)
        lines = [f"{self.optimizer} on {self.program}", *(f"  {name:<{width}}  {text}" for name, text in rows)]
        if self.source is not None:
            lines.append(f"Tokens, cost and time are based on {self.source}.")
        return "\n".join([*lines, *self.notes])


def _range(amount: Amount, text: Callable[[float], str]) -> str:
    if amount.high is None:
        return f"at least {text(amount.low)}"
    low, high = text(amount.low), text(amount.high)
    return low if low == high else f"{low} to {high}, likely {text(amount.likely)}"


def _whole(number: float) -> str:
    return f"{number:,.0f}"


def _cost(number: float) -> str:
    return f"{number:.4f}"
