"""Roll-ups of tokens, calls, cache hits and cost over the LM calls inside a span."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_dspy import semconv

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue


@dataclass(frozen=True, slots=True)
class CallUsage:
    """What one LM call used. Tokens and cost are 0 on a cache hit: nothing was sent, nothing is billed."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    """USD; 0 where the price is unknown."""
    cache_hit: bool = False


class UsageTally:
    """A running sum that also adds to the tally around it. Threads may add at the same time."""

    __slots__ = ("_around", "_lock", "cache_hits", "cost", "input_tokens", "lm_calls", "output_tokens")

    def __init__(self, around: UsageTally | None = None) -> None:
        self._around = around
        self._lock = threading.Lock()
        self.input_tokens = 0
        self.output_tokens = 0
        self.lm_calls = 0
        self.cache_hits = 0
        self.cost = 0.0

    def add(self, call: CallUsage) -> None:
        """Count one LM call here and in every tally around."""
        with self._lock:
            self.lm_calls += 1
            self.cache_hits += call.cache_hit
            self.input_tokens += call.input_tokens
            self.output_tokens += call.output_tokens
            self.cost += call.cost
        if self._around is not None:
            self._around.add(call)

    def attributes(self) -> dict[str, AttributeValue]:
        """The sum so far as `dspy.usage.*`."""
        with self._lock:
            return {
                semconv.DSPY_USAGE_INPUT_TOKENS: self.input_tokens,
                semconv.DSPY_USAGE_OUTPUT_TOKENS: self.output_tokens,
                semconv.DSPY_USAGE_LM_CALLS: self.lm_calls,
                semconv.DSPY_USAGE_CACHE_HITS: self.cache_hits,
                semconv.DSPY_USAGE_COST: self.cost,
            }

    def compile_attributes(self) -> dict[str, AttributeValue]:
        """The sum so far as `dspy.compile.usage.*`, for the trials of a compile."""
        with self._lock:
            return {
                semconv.DSPY_COMPILE_USAGE_INPUT_TOKENS: self.input_tokens,
                semconv.DSPY_COMPILE_USAGE_OUTPUT_TOKENS: self.output_tokens,
                semconv.DSPY_COMPILE_USAGE_LM_CALLS: self.lm_calls,
                semconv.DSPY_COMPILE_USAGE_CACHE_HITS: self.cache_hits,
                semconv.DSPY_COMPILE_USAGE_COST: self.cost,
            }
