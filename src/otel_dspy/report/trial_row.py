"""A finished trial as a person reads it, taken from its span."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from otel_dspy import semconv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.util.types import AttributeValue

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class TrialRow:
    """One row of the table of trials; what the span does not tell is None."""

    index: int
    label: str | None
    kind: str
    state: str
    scope: str | None
    score: float | None
    unit: str | None
    """`percent` (0-100) or `ratio`, for `score` and `best_score`."""
    best_score: float | None
    is_best: bool
    parameters: Mapping[str, AttributeValue]
    input_tokens: int
    output_tokens: int
    lm_calls: int
    cost: float | None
    """USD; None where no price is known."""
    seconds: float


def trial_row(span: ReadableSpan) -> TrialRow:
    """Read an ended trial span; raises KeyError if an attribute that the contract requires is missing."""
    facts = span.attributes or {}
    started, ended = span.start_time or 0, span.end_time or 0
    return TrialRow(
        index=cast("int", facts[semconv.DSPY_TRIAL_INDEX]),
        label=cast("str | None", facts.get(semconv.DSPY_TRIAL_LABEL)),
        kind=cast("str", facts[semconv.DSPY_TRIAL_KIND]),
        state=cast("str", facts[semconv.DSPY_TRIAL_STATE]),
        scope=cast("str | None", facts.get(semconv.DSPY_TRIAL_SCOPE)),
        score=cast("float | None", facts.get(semconv.DSPY_TRIAL_SCORE)),
        unit=cast("str | None", facts.get(semconv.DSPY_TRIAL_SCORE_UNIT)),
        best_score=cast("float | None", facts.get(semconv.DSPY_TRIAL_BEST_SCORE)),
        is_best=bool(facts.get(semconv.DSPY_TRIAL_IS_BEST)),
        parameters=below(facts, semconv.DSPY_TRIAL_PARAMETER),
        input_tokens=cast("int", facts[semconv.DSPY_USAGE_INPUT_TOKENS]),
        output_tokens=cast("int", facts[semconv.DSPY_USAGE_OUTPUT_TOKENS]),
        lm_calls=cast("int", facts[semconv.DSPY_USAGE_LM_CALLS]),
        cost=cast("float | None", facts.get(semconv.DSPY_USAGE_COST)),
        seconds=(ended - started) / NANOSECONDS,
    )


def below(facts: Mapping[str, AttributeValue], prefix: str) -> dict[str, AttributeValue]:
    """Pick the attributes whose names begin with `prefix`, named by what follows it."""
    return {name.removeprefix(prefix): value for name, value in facts.items() if name.startswith(prefix)}
