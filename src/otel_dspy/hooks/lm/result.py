"""Typed record of an LM call's result, read from `dspy.clients.call_result.CallResult`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

from otel_dspy.telemetry.parameters import LARGEST_INT
from otel_dspy.telemetry.usage import CallUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

_NO_TOKENS: Final[Mapping[str, int]] = MappingProxyType({})
_Amount = TypeVar("_Amount", int, float)


class TokenCounts(NamedTuple):
    """Tokens of a call as reported by the provider."""

    input_tokens: int
    output_tokens: int


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
    more_tokens: Mapping[str, int] = _NO_TOKENS
    requests: int = 1

    def billed(self) -> CallUsage:
        """Return the usage to add to totals. A cache hit adds no tokens, and costs 0 if the model's price is known."""
        if self.cache_hit:
            return CallUsage(cost=None if self.cost is None else 0.0, cache_hit=True)
        counts = self.usage or TokenCounts(0, 0)
        unpriced = self.cost is None and self.usage is not None
        return CallUsage(counts.input_tokens, counts.output_tokens, self.cost, unpriced=unpriced)

    def without_use(self) -> LMCallRecord:
        """Return a copy without tokens and cost, for a call whose usage another span records."""
        return self._replace(
            usage=None, cached_tokens=None, reasoning_tokens=None, cache_hit=False, cost=None, more_tokens=_NO_TOKENS
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


def read_result(result: Any) -> LMCallRecord:
    """Read a `CallResult`: usage, cost, and model, id and finish reasons of the responses or the raw response."""
    usage = getattr(result, "usage", None)
    responses = cast("Sequence[Any]", getattr(result, "responses", ()) or ())
    raw = getattr(result, "raw", None)
    replies = responses or ((raw,) if raw is not None else ())
    first = replies[0] if replies else None
    cache_hit = bool(getattr(result, "cache_hit", False))
    cost = getattr(result, "cost", None)
    if cost is None and responses:
        cost = _reported_cost(responses)
    # Positional arguments, which take half as long.
    return LMCallRecord(
        _counts(usage),
        _detail(usage, "prompt_tokens_details", "cached_tokens"),
        _detail(usage, "completion_tokens_details", "reasoning_tokens"),
        cache_hit,
        read_cost(cost),
        _text(_value(first, "model")) or _text(getattr(result, "response_model", None)),
        _text(_value(first, "id")),
        tuple(reason for reply in replies for reason in _finish_reasons(reply)),
        _more_tokens(usage),
        max(len(replies), 1),
    )


def _reported_cost(responses: Sequence[Any]) -> float | None:
    """Return the cost in USD that the provider reports with the usage, as OpenRouter does; None if one lacks it."""
    costs = [read_cost(_value(_value(_value(one, "provider_data"), "usage"), "cost")) for one in responses]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def read_cost(cost: object) -> float | None:
    """Return a cost in USD; None if it is no number. Rejects NaN, which would turn every total into NaN."""
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        return None
    return float(cost) if 0 <= cost < math.inf else None


def _counts(usage: Any) -> TokenCounts | None:
    if usage is None:
        return None
    given = _first_count(usage, "prompt_tokens", "input_tokens")
    got = _first_count(usage, "completion_tokens", "output_tokens")
    return None if given is None and got is None else TokenCounts(given or 0, got or 0)


def _first_count(source: Any, *names: str) -> int | None:
    for name in names:
        value = _value(source, name)
        if value is not None and (count := _count(value)) is not None:
            return count
    return None


def _count(value: object) -> int | None:
    # A count read from JSON may be a float; `bool` is a subclass of `int`.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_INT else None


def _detail(usage: Any, group: str, name: str) -> int | None:
    details = _value(usage, group)
    return None if details is None else _first_count(details, name)


def _more_tokens(usage: Any) -> Mapping[str, int]:
    found: dict[str, int] = {}
    # LiteLLM reports Anthropic's count at the top level, DSPy's own engine in the details.
    written = _first_count(usage, "cache_creation_input_tokens")
    if written is None:
        written = _detail(usage, "prompt_tokens_details", "cache_creation_tokens")
    if written is not None:
        found["cache_write_input_tokens"] = written
    for group, direction in (("prompt_tokens_details", "input"), ("completion_tokens_details", "output")):
        details = _value(usage, group)
        if details is None:
            continue
        for modality in ("text", "image", "audio"):
            count = _first_count(details, f"{modality}_tokens")
            if count is not None:
                found[f"{modality}_{direction}_tokens"] = count
    return found or _NO_TOKENS


def _finish_reasons(reply: Any) -> list[str]:
    own = _text(_value(reply, "finish_reason"))
    if own is not None:
        return [own]
    choices = _value(reply, "choices")
    if not isinstance(choices, list | tuple):
        return []
    reasons = (_text(_value(choice, "finish_reason")) for choice in cast("list[Any]", choices))
    return [reason for reason in reasons if reason is not None]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _value(source: Any, name: str) -> Any:
    if type(source) is dict:
        return cast("dict[str, Any]", source).get(name)
    # DSPy's responses have attributes; an isinstance check against an abstract class takes ten times as long.
    found = getattr(source, name, None)
    if found is None and source is not None and isinstance(source, Mapping):
        return cast("Mapping[str, Any]", source).get(name)
    return found
