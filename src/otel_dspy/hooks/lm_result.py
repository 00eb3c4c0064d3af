"""What DSPy knows of an LM call when it is over: `dspy.clients.call_result.CallResult`, read into a typed record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from otel_dspy.telemetry.usage import CallUsage


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens of a call as the provider reported them."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class CallFacts:
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
    finish_reasons: list[str] = field(default_factory=list[str])

    def billed(self) -> CallUsage:
        """What the call adds to the roll-ups; a cache hit adds no tokens and no cost."""
        if self.cache_hit:
            return CallUsage(cache_hit=True)
        counts = self.usage or TokenCounts(0, 0)
        return CallUsage(counts.input_tokens, counts.output_tokens, self.cost or 0.0)


def read_result(result: Any) -> CallFacts:
    """Read a `CallResult`: normalised usage, and model, id and finish reasons from the responses or the raw reply."""
    usage = cast("Mapping[str, Any]", getattr(result, "usage", None) or {})
    responses = cast("tuple[Any, ...]", getattr(result, "responses", ()) or ())
    raw = getattr(result, "raw", None)
    replies = responses or ((raw,) if raw is not None else ())
    first = replies[0] if replies else None
    cache_hit = bool(getattr(result, "cache_hit", False))
    cost = getattr(result, "cost", None)
    return CallFacts(
        usage=_counts(usage),
        cached_tokens=_detail(usage, "prompt_tokens_details", "cached_tokens"),
        reasoning_tokens=_detail(usage, "completion_tokens_details", "reasoning_tokens"),
        cache_hit=cache_hit,
        cost=float(cost) if isinstance(cost, int | float) else None,
        response_model=_text(_value(first, "model")) or _text(getattr(result, "response_model", None)),
        response_id=_text(_value(first, "id")),
        finish_reasons=[reason for reply in replies for reason in _finish_reasons(reply)],
    )


def _counts(usage: Mapping[str, Any]) -> TokenCounts | None:
    given = usage.get("prompt_tokens", usage.get("input_tokens"))
    got = usage.get("completion_tokens", usage.get("output_tokens"))
    if not isinstance(given, int) and not isinstance(got, int):
        return None
    return TokenCounts(given if isinstance(given, int) else 0, got if isinstance(got, int) else 0)


def _detail(usage: Mapping[str, Any], group: str, name: str) -> int | None:
    value = _value(usage.get(group), name)
    return value if isinstance(value, int) else None


def _finish_reasons(reply: Any) -> list[str]:
    own = _text(_value(reply, "finish_reason"))
    if own is not None:
        return [own]
    choices = cast("list[Any]", _value(reply, "choices") or [])
    reasons = (_text(_value(choice, "finish_reason")) for choice in choices)
    return [reason for reason in reasons if reason is not None]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _value(source: Any, name: str) -> Any:
    if isinstance(source, Mapping):
        return cast("Mapping[str, Any]", source).get(name)
    return getattr(source, name, None)
