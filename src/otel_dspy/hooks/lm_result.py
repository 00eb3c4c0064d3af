"""What DSPy knows of an LM call when it is over: `dspy.clients.call_result.CallResult`, read into a typed record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from otel_dspy.telemetry.usage import CallUsage

if TYPE_CHECKING:
    from collections.abc import Sequence


class TokenCounts(NamedTuple):
    """Tokens of a call as the provider reported them."""

    input_tokens: int
    output_tokens: int


class CallFacts(NamedTuple):
    """One LM call's facts.

    Attributes:
        usage: None where nothing was reported.
        cost: USD as DSPy reckons it; kept by DSPy on a cache hit, where nothing is billed. None = price unknown.
    """

    usage: TokenCounts | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_hit: bool = False
    cost: float | None = None
    response_model: str | None = None
    response_id: str | None = None
    finish_reasons: tuple[str, ...] = ()

    def billed(self) -> CallUsage:
        """What the call adds to the roll-ups; a cache hit adds no tokens and no cost."""
        if self.cache_hit:
            return CallUsage(cache_hit=True)
        counts = self.usage or TokenCounts(0, 0)
        return CallUsage(counts.input_tokens, counts.output_tokens, self.cost or 0.0)


def read_result(result: Any) -> CallFacts:
    """Read a `CallResult`: normalised usage, and model, id and finish reasons from the responses or the raw reply."""
    usage = getattr(result, "usage", None)
    responses = cast("Sequence[Any]", getattr(result, "responses", ()) or ())
    raw = getattr(result, "raw", None)
    replies = responses or ((raw,) if raw is not None else ())
    first = replies[0] if replies else None
    cache_hit = bool(getattr(result, "cache_hit", False))
    cost = getattr(result, "cost", None)
    # By position, which takes half as long; NaN would make every sum that it is added to NaN.
    return CallFacts(
        _counts(usage),
        _detail(usage, "prompt_tokens_details", "cached_tokens"),
        _detail(usage, "completion_tokens_details", "reasoning_tokens"),
        cache_hit,
        float(cost) if isinstance(cost, int | float) and math.isfinite(cost) else None,
        _text(_value(first, "model")) or _text(getattr(result, "response_model", None)),
        _text(_value(first, "id")),
        tuple(reason for reply in replies for reason in _finish_reasons(reply)),
    )


def _counts(usage: Any) -> TokenCounts | None:
    if usage is None:
        return None
    given = _first_count(usage, "prompt_tokens", "input_tokens")
    got = _first_count(usage, "completion_tokens", "output_tokens")
    return None if given is None and got is None else TokenCounts(given or 0, got or 0)


def _first_count(source: Any, *names: str) -> int | None:
    for name in names:
        value = _value(source, name)
        if isinstance(value, int):
            return value
    return None


def _detail(usage: Any, group: str, name: str) -> int | None:
    details = _value(usage, group)
    return None if details is None else _first_count(details, name)


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
    # DSPy's own responses have attributes, and asking an abstract class takes ten times as long.
    found = getattr(source, name, None)
    if found is None and source is not None and isinstance(source, Mapping):
        return cast("Mapping[str, Any]", source).get(name)
    return found
