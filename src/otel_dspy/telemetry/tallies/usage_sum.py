"""Sum of the usage of calls, and its attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue


@dataclass(slots=True)
class UsageSum:
    """Sum over calls or over other sums."""

    input_tokens: int = 0
    output_tokens: int = 0
    lm_calls: int = 0
    embedding_calls: int = 0
    cache_hits: int = 0
    cost: float | None = None
    """Cost of the calls with a known price; None if there are none."""
    unpriced_calls: int = 0

    def add(self, other: UsageSum) -> None:
        """Add another sum to this one."""
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.lm_calls += other.lm_calls
        self.embedding_calls += other.embedding_calls
        self.cache_hits += other.cache_hits
        self.unpriced_calls += other.unpriced_calls
        if other.cost is not None:
            self.cost = (self.cost or 0.0) + other.cost

    def part_attributes(self, prefix: str) -> dict[str, AttributeValue]:
        """Return tokens, calls and cost as attributes."""
        return {
            f"{prefix}input_tokens": self.input_tokens,
            f"{prefix}output_tokens": self.output_tokens,
            f"{prefix}lm_calls": self.lm_calls,
            **self.further_attributes(prefix),
        }

    def further_attributes(self, prefix: str) -> dict[str, AttributeValue]:
        """Return the cost, omitted if no price of the calls is known, and counts that are omitted if they are 0."""
        known = 0.0 if self.lm_calls + self.embedding_calls == 0 else self.cost
        found: dict[str, AttributeValue] = {} if known is None else {f"{prefix}cost": known}
        if self.embedding_calls:
            found[f"{prefix}embedding_calls"] = self.embedding_calls
        if self.unpriced_calls:
            found[f"{prefix}unpriced_calls"] = self.unpriced_calls
        return found
