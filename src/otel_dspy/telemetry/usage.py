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


_USAGE: Final = semconv.DSPY_USAGE_COST.removesuffix("cost")
_COMPILE_USAGE: Final = semconv.DSPY_COMPILE_USAGE_COST.removesuffix("cost")


class CallUsage(NamedTuple):
    """What one LM call used. Tokens and cost are 0 on a cache hit: nothing was sent, nothing is billed."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0
    """USD; None where the price is unknown."""
    cache_hit: bool = False
    unpriced: bool = False
    """Tokens were used at an unknown price."""


@dataclass(slots=True)
class _Sum:
    """A sum over calls, or over such sums."""

    input_tokens: int = 0
    output_tokens: int = 0
    lm_calls: int = 0
    cache_hits: int = 0
    cost: float | None = None
    """Of the calls whose price is known; None if there are none."""
    unpriced_calls: int = 0

    def add(self, other: _Sum) -> None:
        """Add another sum to this one."""
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.lm_calls += other.lm_calls
        self.cache_hits += other.cache_hits
        self.unpriced_calls += other.unpriced_calls
        if other.cost is not None:
            self.cost = (self.cost or 0.0) + other.cost

    def cost_attributes(self, prefix: str) -> dict[str, AttributeValue]:
        """The cost, left out where calls were made and no price is known; and the calls without one, if any."""
        known = 0.0 if self.lm_calls == 0 else self.cost
        found: dict[str, AttributeValue] = {} if known is None else {f"{prefix}cost": known}
        return found if self.unpriced_calls == 0 else {**found, f"{prefix}unpriced_calls": self.unpriced_calls}


class UsageTally:
    """A running sum that also adds to the tally around it. Threads may add at the same time.

    DSPy's threads may go on after an evaluation has raised. A call that ends when the tally is closed is added only to
    those around that are open, and the nearest of them counts it as late.
    """

    __slots__ = ("_around", "_closed", "_examples", "_late_calls", "_lock", "_sums")

    def __init__(self, around: UsageTally | None = None) -> None:
        self._around = around
        self._lock = threading.Lock()
        self._sums: dict[Role, _Sum] = {}
        self._closed = False
        self._late_calls = 0
        self._examples: ExampleTally | None = None

    @property
    def examples(self) -> ExampleTally:
        """The tally of the examples inside, which adds to that of the tally around."""
        with self._lock:
            if self._examples is None:
                self._examples = ExampleTally(None if self._around is None else self._around.examples)
            return self._examples

    def close(self) -> None:
        """The span of this sum ends: the sum is final."""
        with self._lock:
            self._closed = True

    def add(self, call: CallUsage, role: Role = TASK, *, late: bool = False) -> bool:
        """Count one LM call here and in every tally around, as far as they are open.

        Args:
            call: what it used.
            role: what it was for.
            late: the tally directly inside that the call belongs to was closed.

        Returns:
            Whether this tally or one around it was closed.
        """
        with self._lock:
            closed = self._closed
            if not closed:
                self._late_calls += late
                self._count(call, role)
        around = self._around is not None and self._around.add(call, role, late=closed)
        return closed or around

    def _count(self, call: CallUsage, role: Role) -> None:
        found = self._sums.get(role)
        if found is None:
            found = self._sums[role] = _Sum()
        found.lm_calls += 1
        found.cache_hits += call.cache_hit
        found.input_tokens += call.input_tokens
        found.output_tokens += call.output_tokens
        found.unpriced_calls += call.unpriced
        if call.cost is not None:
            found.cost = (found.cost or 0.0) + call.cost

    def attributes(self) -> dict[str, AttributeValue]:
        """The sum so far as `dspy.usage.*`."""
        total = self._total()
        late: dict[str, AttributeValue] = {semconv.DSPY_USAGE_LATE_CALLS: self._late_calls} if self._late_calls else {}
        return {
            semconv.DSPY_USAGE_INPUT_TOKENS: total.input_tokens,
            semconv.DSPY_USAGE_OUTPUT_TOKENS: total.output_tokens,
            semconv.DSPY_USAGE_LM_CALLS: total.lm_calls,
            semconv.DSPY_USAGE_CACHE_HITS: total.cache_hits,
            **total.cost_attributes(_USAGE),
            **late,
        }

    def compile_attributes(self) -> dict[str, AttributeValue]:
        """The sum so far as `dspy.compile.usage.*`, by role too, for the trials of a compile."""
        total = self._total()
        return {
            semconv.DSPY_COMPILE_USAGE_INPUT_TOKENS: total.input_tokens,
            semconv.DSPY_COMPILE_USAGE_OUTPUT_TOKENS: total.output_tokens,
            semconv.DSPY_COMPILE_USAGE_LM_CALLS: total.lm_calls,
            semconv.DSPY_COMPILE_USAGE_CACHE_HITS: total.cache_hits,
            **total.cost_attributes(_COMPILE_USAGE),
            **self._by_role(semconv.DSPY_COMPILE_USAGE_ROLE),
        }

    def split_attributes(self) -> dict[str, AttributeValue]:
        """The sum so far as `dspy.usage.*`, and as `dspy.usage.role.*` for each role that made a call."""
        return {**self.attributes(), **self._by_role(semconv.DSPY_USAGE_ROLE)}

    def _total(self) -> _Sum:
        total = _Sum()
        with self._lock:
            for part in self._sums.values():
                total.add(part)
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
                    *part.cost_attributes("").items(),
                )
            }
