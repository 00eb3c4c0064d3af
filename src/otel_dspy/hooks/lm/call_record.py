"""Typed record of an LM call: usage, cost and response metadata."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from otel_dspy.hooks.lm.token_counts import NO_TOKENS, TokenCounts
from otel_dspy.runtime.named_tuples import create
from otel_dspy.telemetry.tallies.usage_tally import CallUsage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_Amount = TypeVar("_Amount", int, float)


class LMCallRecord(NamedTuple):
    """Usage, cost and response metadata of one LM call.

    Attributes:
        usage: None if the provider reported none.
        more_tokens: token counts by their names in opentelemetry-util-genai, such as `cache_write_input_tokens` and
            `audio_input_tokens`.
        requests: number of responses that DSPy combined; more than one if it sent a request per choice.
        cost: USD as computed by DSPy, which keeps it on a cache hit, where nothing is billed; as the provider reports
            it where DSPy has none. None = price unknown.
    """

    usage: TokenCounts | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_hit: bool = False
    cost: float | None = None
    response_model: str | None = None
    response_id: str | None = None
    finish_reasons: tuple[str, ...] = ()
    more_tokens: Mapping[str, int] = NO_TOKENS
    requests: int = 1

    def billed(self) -> CallUsage:
        """Return the usage to add to totals. A cache hit adds no tokens, and costs 0 if the model's price is known."""
        if self.cache_hit:
            return CallUsage(cost=None if self.cost is None else 0.0, cache_hit=True)
        given, got = self.usage or (0, 0)
        unpriced = self.cost is None and self.usage is not None
        return create(CallUsage, (given, got, self.cost, False, unpriced, False))

    def without_use(self) -> LMCallRecord:
        """Return a copy without tokens and cost, for a call whose usage another span records."""
        return self._replace(
            usage=None, cached_tokens=None, reasoning_tokens=None, cache_hit=False, cost=None, more_tokens=NO_TOKENS
        )

    def is_of(self, calls: Sequence[LMCallRecord]) -> bool:
        """Return whether this repeats the result of one of the calls, or the sum of their usage."""
        if any(self._is_the_same(call) for call in calls):
            return True
        used = [call.usage for call in calls if call.usage is not None]
        return len(used) > 1 and self.usage == TokenCounts(
            sum(counts.input_tokens for counts in used), sum(counts.output_tokens for counts in used)
        )

    def _is_the_same(self, call: LMCallRecord) -> bool:
        if self.response_id is not None and call.response_id is not None and self.response_id != call.response_id:
            return False
        # DSPy reports no usage for a cache hit, but the cached response contains it.
        same_answer = self.response_id is not None and self.response_id == call.response_id
        return (same_answer and call.cache_hit) or (self.usage is not None and self.usage == call.usage)

    def then(self, later: LMCallRecord) -> LMCallRecord:
        """Combine two parts of the same call: the sum of their usage, and the later one's response.

        The result is a cache hit only if both parts are. Otherwise parts that are cache hits add no usage.
        """
        parts = [part for part in (self, later) if not part.cache_hit] or [self, later]
        used = [part.usage for part in parts if part.usage is not None]
        return later._replace(
            usage=TokenCounts(sum(one.input_tokens for one in used), sum(one.output_tokens for one in used))
            if used
            else None,
            cached_tokens=_sum([part.cached_tokens for part in parts]),
            reasoning_tokens=_sum([part.reasoning_tokens for part in parts]),
            cache_hit=self.cache_hit and later.cache_hit,
            cost=_sum([part.cost for part in parts]),
            more_tokens=_sums([part.more_tokens for part in parts]),
            requests=sum(part.requests for part in parts),
        )


def _sums(counts: Sequence[Mapping[str, int]]) -> Mapping[str, int]:
    names = {name: None for count in counts for name in count}
    return {name: sum(count.get(name, 0) for count in counts) for name in names}


def _sum(amounts: Sequence[_Amount | None]) -> _Amount | None:
    known = [amount for amount in amounts if amount is not None]
    return reduce(_plus, known) if known else None


def _plus(one: _Amount, other: _Amount) -> _Amount:
    return one + other
