"""Typed record of an LM call's result, read from `dspy.clients.call_result.CallResult`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial, reduce
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

from otel_dspy.runtime.named_tuples import create
from otel_dspy.telemetry.parameter_attributes import LARGEST_INT
from otel_dspy.telemetry.tallies.usage_tally import CallUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

_NO_TOKENS: Final[Mapping[str, int]] = MappingProxyType({})
_INPUT_TOKENS: Final = {
    "cache_creation_tokens": "cache_write_input_tokens",
    "text_tokens": "text_input_tokens",
    "image_tokens": "image_input_tokens",
    "audio_tokens": "audio_input_tokens",
}
_OUTPUT_TOKENS: Final = {
    "text_tokens": "text_output_tokens",
    "image_tokens": "image_output_tokens",
    "audio_tokens": "audio_output_tokens",
}
"""Field of the details -> name in opentelemetry-util-genai."""
_Reader = Callable[[str], Any]
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
        given, got = self.usage or (0, 0)
        unpriced = self.cost is None and self.usage is not None
        return create(CallUsage, (given, got, self.cost, False, unpriced, False))

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
    # Runs while the application waits, in each call: dictionaries are read by their own method, each field once.
    responses: Sequence[Any] = getattr(result, "responses", ()) or ()
    raw = getattr(result, "raw", None)
    replies = responses or ((raw,) if raw is not None else ())
    first = _reader(replies[0] if replies else None)
    cost = getattr(result, "cost", None)
    if cost is None and responses:
        cost = _reported_cost(responses)
    usage = _reader(getattr(result, "usage", None))
    given, got = usage("prompt_tokens_details"), usage("completion_tokens_details")
    inputs, outputs = _reader(given), _reader(got)
    return create(LMCallRecord, (
        _counts(usage),
        _count(inputs("cached_tokens")),
        _count(outputs("reasoning_tokens")),
        bool(getattr(result, "cache_hit", False)),
        None if cost is None else read_cost(cost),
        _text(first("model")) or _text(getattr(result, "response_model", None)),
        _text(first("id")),
        _finish_reasons(first) if len(replies) == 1 else _all_finish_reasons(replies),
        _more_tokens(usage, given, got),
        len(replies) or 1,
    ))  # fmt: skip


def _reported_cost(responses: Sequence[Any]) -> float | None:
    """Return the cost in USD that the provider reports with the usage, as OpenRouter does; None if one lacks it."""
    total = 0.0
    for one in responses:
        reported = _value(one, "provider_data")
        cost = None if reported is None else read_cost(_reader(_reader(reported)("usage"))("cost"))
        if cost is None:
            return None
        total += cost
    return total


def read_cost(cost: object) -> float | None:
    """Return a cost in USD; None if it is not a number. Rejects NaN, which would turn every total into NaN."""
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        return None
    return float(cost) if 0 <= cost < math.inf else None


def _counts(usage: _Reader) -> TokenCounts | None:
    given = _count(usage("prompt_tokens"))
    if given is None:
        given = _count(usage("input_tokens"))
    got = _count(usage("completion_tokens"))
    if got is None:
        got = _count(usage("output_tokens"))
    return None if given is None and got is None else create(TokenCounts, (given or 0, got or 0))


def _count(value: object) -> int | None:
    if value is None:
        return None
    if type(value) is int:
        return value if 0 <= value <= LARGEST_INT else None
    # A count read from JSON may be a float; `bool` is a subclass of `int`.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_INT else None


def _more_tokens(usage: _Reader, given: Any, got: Any) -> Mapping[str, int]:
    found: dict[str, int] = {}
    # LiteLLM reports Anthropic's count at the top level, DSPy's own engine in the details.
    written = _count(usage("cache_creation_input_tokens"))
    if written is not None:
        found["cache_write_input_tokens"] = written
    for details, names in ((given, _INPUT_TOKENS), (got, _OUTPUT_TOKENS)):
        if details is None or (type(details) is dict and names.keys().isdisjoint(details)):  # pyright: ignore[reportUnknownArgumentType] - `cast` is a function call
            continue  # most details
        read = _reader(details)
        for name, counted in names.items():
            value = read(name)
            if value is not None and counted not in found and (count := _count(value)) is not None:
                found[counted] = count
    return found or _NO_TOKENS


def _all_finish_reasons(replies: Sequence[Any]) -> tuple[str, ...]:
    return tuple(reason for reply in replies for reason in _finish_reasons(_reader(reply)))


def _finish_reasons(reply: _Reader) -> tuple[str, ...]:
    own = _text(reply("finish_reason"))
    if own is not None:
        return (own,)
    choices = reply("choices")
    if not isinstance(choices, list | tuple):
        return ()
    reasons = (_text(_reader(choice)("finish_reason")) for choice in cast("list[Any]", choices))
    return tuple(reason for reason in reasons if reason is not None)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _nothing(_name: str) -> None:
    pass


def _reader(source: Any) -> _Reader:
    """Return the function that reads a field of a mapping or an object by name; it returns None without one."""
    if source is None:
        return _nothing
    # Annotated, because `cast` is a function call.
    given: Any = source
    return given.get if type(source) is dict else partial(_value, source)


def _value(source: Any, name: str) -> Any:
    # DSPy's responses have attributes; an isinstance check against an abstract class takes ten times as long.
    found = getattr(source, name, None)
    given: Any = source
    return given.get(name) if found is None and hasattr(source, "keys") and isinstance(source, Mapping) else found
