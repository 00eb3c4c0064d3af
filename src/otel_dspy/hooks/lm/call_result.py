"""Reads the record of an LM call from its `dspy.clients.call_result.CallResult`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from otel_dspy.hooks.lm.call_record import LMCallRecord
from otel_dspy.hooks.lm.field_reader import field_reader, field_value
from otel_dspy.hooks.lm.token_counts import cached_token_count, more_token_counts, reasoning_token_count, token_counts
from otel_dspy.runtime.named_tuples import create

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.hooks.lm.field_reader import FieldReader


def read_result(result: Any) -> LMCallRecord:
    """Read a `CallResult`: usage, cost, and model, id and finish reasons of the responses or the raw response."""
    # Runs while the application waits, in each call: dictionaries are read by their own method, each field once.
    responses: Sequence[Any] = getattr(result, "responses", ()) or ()
    raw = getattr(result, "raw", None)
    replies = responses or ((raw,) if raw is not None else ())
    first = field_reader(replies[0] if replies else None)
    cost = getattr(result, "cost", None)
    if cost is None and responses:
        cost = _reported_cost(responses)
    usage = field_reader(getattr(result, "usage", None))
    given, got = usage("prompt_tokens_details"), usage("completion_tokens_details")
    inputs, outputs = field_reader(given), field_reader(got)
    return create(LMCallRecord, (
        token_counts(usage),
        cached_token_count(inputs),
        reasoning_token_count(outputs),
        bool(getattr(result, "cache_hit", False)),
        None if cost is None else read_cost(cost),
        _text(first("model")) or _text(getattr(result, "response_model", None)),
        _text(first("id")),
        _finish_reasons(first) if len(replies) == 1 else _all_finish_reasons(replies),
        more_token_counts(usage, given, got),
        len(replies) or 1,
    ))  # fmt: skip


def _reported_cost(responses: Sequence[Any]) -> float | None:
    """Return the cost in USD that the provider reports with the usage, as OpenRouter does; None if one lacks it."""
    total = 0.0
    for one in responses:
        reported = field_value(one, "provider_data")
        cost = None if reported is None else read_cost(field_reader(field_reader(reported)("usage"))("cost"))
        if cost is None:
            return None
        total += cost
    return total


def read_cost(cost: object) -> float | None:
    """Return a cost in USD; None if it is not a number. Rejects NaN, which would turn every total into NaN."""
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        return None
    return float(cost) if 0 <= cost < math.inf else None


def _all_finish_reasons(replies: Sequence[Any]) -> tuple[str, ...]:
    return tuple(reason for reply in replies for reason in _finish_reasons(field_reader(reply)))


def _finish_reasons(reply: FieldReader) -> tuple[str, ...]:
    own = _text(reply("finish_reason"))
    if own is not None:
        return (own,)
    choices = reply("choices")
    if not isinstance(choices, list | tuple):
        return ()
    reasons = (_text(field_reader(choice)("finish_reason")) for choice in cast("list[Any]", choices))
    return tuple(reason for reason in reasons if reason is not None)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
