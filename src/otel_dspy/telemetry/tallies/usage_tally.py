"""Usage tallies: tokens, calls, cache hits and cost of the LM and embedding calls in a span, by role and by model."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_dspy import semconv
from otel_dspy.telemetry.tallies.example_tally import ExampleTally
from otel_dspy.telemetry.tallies.lm_roles import TASK
from otel_dspy.telemetry.tallies.usage_sum import UsageSum

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from opentelemetry.util.types import AttributeValue

    from otel_dspy.telemetry.tallies.lm_roles import Role

MAX_MODELS: Final = 8
"""Maximum number of models that a tally counts separately."""
OTHER_MODELS: Final = "other"
"""Name under which the calls of all further models are counted."""

_USAGE: Final = semconv.DSPY_USAGE_COST.removesuffix("cost")
_COMPILE_USAGE: Final = semconv.DSPY_COMPILE_USAGE_COST.removesuffix("cost")


class CallUsage(NamedTuple):
    """Usage of one call of a language model or an embedding model.

    On a cache hit tokens are 0, because no request was sent; the cost is 0, or None if the model has no known price.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0
    """Cost in USD; None if the price is unknown."""
    cache_hit: bool = False
    unpriced: bool = False
    """Whether tokens were used at an unknown price."""
    embedding: bool = False
    """Whether an embedding model was called."""


class Spending(NamedTuple):
    """What calls have used up, in total."""

    cost: float
    """USD, of the calls with a known price."""
    tokens: int
    lm_calls: int
    unpriced_calls: int
    cache_hits: int


class UsageTally:
    """Thread-safe running sum that also adds to the enclosing tally.

    DSPy's threads can continue after an evaluation has raised. A call that ends after its tally was closed is added
    only to the enclosing tallies that are open, and the nearest of them counts it as late.

    Args:
        around: the enclosing tally.
        unobserved: whether models may be called without DSPy. A sum without any call is then unknown and has no
            attributes; otherwise it is 0. None = as `around`.
    """

    __slots__ = ("_around", "_closed", "_examples", "_late_calls", "_lock", "_sums", "_unobserved")

    def __init__(self, around: UsageTally | None = None, *, unobserved: bool | None = None) -> None:
        self._around = around
        inherited = around is not None and around._unobserved  # noqa: SLF001 - of the same class
        self._unobserved: bool = inherited if unobserved is None else unobserved
        self._lock = threading.Lock()
        self._sums: dict[tuple[Role, str], UsageSum] = {}
        """(role, model) -> sum."""
        self._closed = False
        self._late_calls = 0
        self._examples: ExampleTally | None = None

    @property
    def examples(self) -> ExampleTally:
        """Tally of the examples inside, which adds to that of the enclosing tally."""
        with self._lock:
            if self._examples is None:
                self._examples = ExampleTally(None if self._around is None else self._around.examples)
            return self._examples

    def close(self) -> None:
        """Close the tally when its span ends; the sum is final."""
        with self._lock:
            self._closed = True

    def add(self, call: CallUsage, role: Role = TASK, model: str = OTHER_MODELS, *, late: bool = False) -> bool:
        """Count a call here and in all enclosing tallies that are open.

        Args:
            call: usage of the call.
            role: purpose of the call.
            model: name of the model for use in attribute names.
            late: whether the inner tally that the call belongs to was closed.

        Returns:
            Whether this tally or an enclosing one was closed.
        """
        with self._lock:
            closed = self._closed
            if not closed:
                self._late_calls += late
                self._count(call, role, model)
        around = self._around is not None and self._around.add(call, role, model, late=closed)
        return closed or around

    def _count(self, call: CallUsage, role: Role, model: str) -> None:
        found = self._sums.get((role, model)) or self._new_sum(role, model)
        found.lm_calls += not call.embedding
        found.embedding_calls += call.embedding
        found.cache_hits += call.cache_hit
        found.input_tokens += call.input_tokens
        found.output_tokens += call.output_tokens
        found.unpriced_calls += call.unpriced
        if call.cost is not None:
            found.cost = (found.cost or 0.0) + call.cost

    def _new_sum(self, role: Role, model: str) -> UsageSum:
        models = {name for _, name in self._sums} - {OTHER_MODELS}
        counted = model if model in models or len(models) < MAX_MODELS else OTHER_MODELS
        return self._sums.setdefault((role, counted), UsageSum())

    def attributes(self) -> dict[str, AttributeValue]:
        """Return the current sum as `dspy.usage.*`; empty if it is unknown."""
        if self._is_unknown():
            return {}
        total = self._total()
        late: dict[str, AttributeValue] = {semconv.DSPY_USAGE_LATE_CALLS: self._late_calls} if self._late_calls else {}
        return {
            semconv.DSPY_USAGE_INPUT_TOKENS: total.input_tokens,
            semconv.DSPY_USAGE_OUTPUT_TOKENS: total.output_tokens,
            semconv.DSPY_USAGE_LM_CALLS: total.lm_calls,
            semconv.DSPY_USAGE_CACHE_HITS: total.cache_hits,
            **total.further_attributes(_USAGE),
            **late,
        }

    def compile_attributes(self) -> dict[str, AttributeValue]:
        """Return the current sum as `dspy.compile.usage.*`, in total, by role and by model, for a compile's trials.

        Empty if it is unknown.
        """
        if self._is_unknown():
            return {}
        total = self._total()
        return {
            semconv.DSPY_COMPILE_USAGE_INPUT_TOKENS: total.input_tokens,
            semconv.DSPY_COMPILE_USAGE_OUTPUT_TOKENS: total.output_tokens,
            semconv.DSPY_COMPILE_USAGE_LM_CALLS: total.lm_calls,
            semconv.DSPY_COMPILE_USAGE_CACHE_HITS: total.cache_hits,
            **total.further_attributes(_COMPILE_USAGE),
            **self._by_role(semconv.DSPY_COMPILE_USAGE_ROLE),
            **self._by_model(semconv.DSPY_COMPILE_USAGE_MODEL),
        }

    def split_attributes(self) -> dict[str, AttributeValue]:
        """Return the current sum as `dspy.usage.*`, in total, by role and by model; empty if it is unknown."""
        return {
            **self.attributes(),
            **self._by_role(semconv.DSPY_USAGE_ROLE),
            **self._by_model(semconv.DSPY_USAGE_MODEL),
        }

    def spent(self, roles: Collection[Role] | None = None) -> Spending:
        """Return the current sum over these roles, by default over all."""
        total = self._total(roles)
        return Spending(
            total.cost or 0.0,
            total.input_tokens + total.output_tokens,
            total.lm_calls,
            total.unpriced_calls,
            total.cache_hits,
        )

    def _is_unknown(self) -> bool:
        with self._lock:
            return self._unobserved and not self._sums

    def _total(self, roles: Collection[Role] | None = None) -> UsageSum:
        total = UsageSum()
        with self._lock:
            for (role, _), part in self._sums.items():
                if roles is None or role in roles:
                    total.add(part)
        return total

    def _by_role(self, prefix: str) -> dict[str, AttributeValue]:
        return {
            name: value
            for role, part in self._parts(lambda key: key[0]).items()
            for name, value in {
                **part.part_attributes(f"{prefix}{role}."),
                f"{prefix}{role}.cache_hits": part.cache_hits,
            }.items()
        }

    def _by_model(self, prefix: str) -> dict[str, AttributeValue]:
        return {
            name: value
            for model, part in self._parts(lambda key: key[1]).items()
            for name, value in part.part_attributes(f"{prefix}{model}.").items()
        }

    def _parts(self, part_of: Callable[[tuple[Role, str]], str]) -> dict[str, UsageSum]:
        parts: dict[str, UsageSum] = {}
        with self._lock:
            for key, found in self._sums.items():
                parts.setdefault(part_of(key), UsageSum()).add(found)
        return parts
