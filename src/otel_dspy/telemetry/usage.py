"""Roll-ups of tokens, calls, cache hits and cost over the LM calls inside a span, split by what the calls were for."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_dspy import semconv
from otel_dspy.telemetry.example_tally import ExampleTally

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

# Plain texts, not an enumeration: hashing a member of one takes Python code, and every LM call does it several times.
Role = semconv.DspyLmRole
"""`dspy.lm.role`: what an LM call is for."""
TASK: Final[Role] = "task"
"""The program's own work, a teacher's too; and whatever nobody knows better."""
PROMPT: Final[Role] = "prompt"
"""The optimizer has instructions or rules written."""
REFLECTION: Final[Role] = "reflection"
"""The optimizer has texts rewritten in the light of what went wrong."""
JUDGE: Final[Role] = "judge"
"""The metric asks a model."""


class CallUsage(NamedTuple):
    """What one LM call used. Tokens and cost are 0 on a cache hit: nothing was sent, nothing is billed."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    """USD; 0 where the price is unknown."""
    cache_hit: bool = False


@dataclass(slots=True)
class _Sum:
    """A sum over calls, or over such sums."""

    input_tokens: int = 0
    output_tokens: int = 0
    lm_calls: int = 0
    cache_hits: int = 0
    cost: float = 0.0


class UsageTally:
    """A running sum that also adds to the tally around it. Threads may add at the same time."""

    __slots__ = ("_around", "_examples", "_lock", "_sums")

    def __init__(self, around: UsageTally | None = None) -> None:
        self._around = around
        self._lock = threading.Lock()
        self._sums: dict[Role, _Sum] = {}
        self._examples: ExampleTally | None = None

    @property
    def examples(self) -> ExampleTally:
        """The tally of the examples inside, which adds to that of the tally around."""
        with self._lock:
            if self._examples is None:
                self._examples = ExampleTally(None if self._around is None else self._around.examples)
            return self._examples

    def add(self, call: CallUsage, role: Role = TASK) -> None:
        """Count one LM call here and in every tally around."""
        with self._lock:
            found = self._sums.get(role)
            if found is None:
                found = self._sums[role] = _Sum()
            found.lm_calls += 1
            found.cache_hits += call.cache_hit
            found.input_tokens += call.input_tokens
            found.output_tokens += call.output_tokens
            found.cost += call.cost
        if self._around is not None:
            self._around.add(call, role)

    def attributes(self) -> dict[str, AttributeValue]:
        """The sum so far as `dspy.usage.*`."""
        total = self._total()
        return {
            semconv.DSPY_USAGE_INPUT_TOKENS: total.input_tokens,
            semconv.DSPY_USAGE_OUTPUT_TOKENS: total.output_tokens,
            semconv.DSPY_USAGE_LM_CALLS: total.lm_calls,
            semconv.DSPY_USAGE_CACHE_HITS: total.cache_hits,
            semconv.DSPY_USAGE_COST: total.cost,
        }

    def compile_attributes(self) -> dict[str, AttributeValue]:
        """The sum so far as `dspy.compile.usage.*`, by role too, for the trials of a compile."""
        total = self._total()
        return {
            semconv.DSPY_COMPILE_USAGE_INPUT_TOKENS: total.input_tokens,
            semconv.DSPY_COMPILE_USAGE_OUTPUT_TOKENS: total.output_tokens,
            semconv.DSPY_COMPILE_USAGE_LM_CALLS: total.lm_calls,
            semconv.DSPY_COMPILE_USAGE_CACHE_HITS: total.cache_hits,
            semconv.DSPY_COMPILE_USAGE_COST: total.cost,
            **self._by_role(semconv.DSPY_COMPILE_USAGE_ROLE),
        }

    def split_attributes(self) -> dict[str, AttributeValue]:
        """The sum so far as `dspy.usage.*`, and as `dspy.usage.role.*` for each role that made a call."""
        return {**self.attributes(), **self._by_role(semconv.DSPY_USAGE_ROLE)}

    def _total(self) -> _Sum:
        total = _Sum()
        with self._lock:
            for part in self._sums.values():
                total.input_tokens += part.input_tokens
                total.output_tokens += part.output_tokens
                total.lm_calls += part.lm_calls
                total.cache_hits += part.cache_hits
                total.cost += part.cost
        return total

    def _by_role(self, prefix: str) -> dict[str, AttributeValue]:
        with self._lock:
            return {
                f"{prefix}{role}.{name}": value
                for role, part in self._sums.items()
                for name, value in (
                    ("input_tokens", part.input_tokens),
                    ("output_tokens", part.output_tokens),
                    ("lm_calls", part.lm_calls),
                    ("cache_hits", part.cache_hits),
                    ("cost", part.cost),
                )
            }
