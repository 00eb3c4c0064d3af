"""Rates of past calls: tokens and cost of a call by role, and the time that they took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from otel_dspy.hooks.optimizers.plans.call_plan import NOTHING, Amount

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class RoleRate:
    """Mean usage of a call of one role."""

    tokens: float
    cost: float | None
    """USD; None if the price of a call is unknown."""
    tokens_of_a_demo: float = 0.0
    """Tokens that a demo of each predictor adds to the prompts of a program run; 0 where it is not known."""
    cost_of_a_demo: float = 0.0
    """USD for these."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What is known of past calls.

    Attributes:
        source: where they were made.
        roles: usage of a call by role.
        seconds: time for each LM call, from the least to the most that it may take; None if unknown.
        calls_of_a_run: LM calls of a program run; None if unknown.
        calls_of_a_metric: LM calls of a call of the metric; None if unknown.
        notes: what the rates leave out.
    """

    source: str
    roles: Mapping[str, RoleRate]
    seconds: Amount | None = None
    calls_of_a_run: Amount | None = None
    calls_of_a_metric: Amount | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def has_demos(self) -> bool:
        """Whether it is known what a demo adds."""
        return any(rate.tokens_of_a_demo for rate in self.roles.values())

    def tokens(self, calls: Mapping[str, Amount], demos: Amount = NOTHING) -> Amount:
        """Return the tokens of calls by role; those of a role without a rate are left out.

        Args:
            calls: the calls.
            demos: demos in the prompts, summed over the program's runs.
        """
        added = sum(rate.tokens_of_a_demo for rate in self.roles.values())
        return demos.times(Amount.exactly(added)) + sum(
            (
                amount.times(Amount.exactly(self.roles[role].tokens))
                for role, amount in calls.items()
                if role in self.roles
            ),
            NOTHING,
        )

    def cost(self, calls: Mapping[str, Amount], demos: Amount = NOTHING) -> Amount | None:
        """Return the cost of calls by role in USD; None if a price is unknown. Arguments as for `tokens`."""
        total = demos.times(Amount.exactly(sum(rate.cost_of_a_demo for rate in self.roles.values())))
        for role, amount in calls.items():
            if role not in self.roles:
                continue
            price = self.roles[role].cost
            if price is None:
                return None
            total += amount.times(Amount.exactly(price))
        return total

    def without_rate(self, calls: Mapping[str, Amount]) -> list[str]:
        """Return the roles that have calls and no rate."""
        return [role for role in calls if role not in self.roles]
