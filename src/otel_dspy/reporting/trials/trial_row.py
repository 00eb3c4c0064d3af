"""Row of the trials table, read from a trial span."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, cast

from otel_dspy import semconv
from otel_dspy.formatting.trial_values import failure_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.util.types import AttributeValue

NANOSECONDS = 1_000_000_000


class ModelUse(NamedTuple):
    """Usage of one language model, in one or more trials."""

    calls: int = 0
    tokens: int = 0
    cost: float | None = None
    """USD; None if no price is known."""
    unpriced_calls: int = 0
    observed: bool = True
    """Whether calls were observed; if not, the numbers are unknown and 0 here."""

    def plus(self, other: ModelUse) -> ModelUse:
        """Return the sum of both."""
        costs = [cost for cost in (self.cost, other.cost) if cost is not None]
        return ModelUse(
            self.calls + other.calls,
            self.tokens + other.tokens,
            sum(costs) if costs else None,
            self.unpriced_calls + other.unpriced_calls,
            (self.observed and other.observed) or self.calls + other.calls > 0,
        )

    def as_json(self) -> dict[str, int | float | None]:
        """Return the numbers by name; None for what is unknown."""
        return {
            "calls": self.calls if self.observed else None,
            "tokens": self.tokens if self.observed else None,
            "cost": self.cost,
            "unpriced_calls": self.unpriced_calls,
        }


@dataclass(frozen=True)
class TrialRow:
    """Row of the trials table; values that are not on the span are None."""

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
    """USD; None if no price is known."""
    seconds: float
    unpriced_calls: int = 0
    """Number of calls that `cost` does not include."""
    models: Mapping[str, ModelUse] = field(default_factory=dict[str, ModelUse])
    """Usage by language model."""
    observed: bool = True
    """Whether calls were observed; if not, calls and tokens are unknown and 0 here."""
    failure: str | None = None
    """If every example failed: type and message of the first failure, in one line."""

    @property
    def leads(self) -> bool:
        """Whether it is the best trial. A trial in which every example failed is never the best one."""
        return self.is_best and self.failure is None

    @property
    def use(self) -> ModelUse:
        """Usage in total."""
        tokens = self.input_tokens + self.output_tokens
        return ModelUse(self.lm_calls, tokens, self.cost, self.unpriced_calls, self.observed)


def trial_row(span: ReadableSpan) -> TrialRow:
    """Read an ended trial span.

    Raises:
        KeyError: An attribute that the semantic conventions require is missing.
    """
    attributes = span.attributes or {}
    started, ended = span.start_time or 0, span.end_time or 0
    return TrialRow(
        index=cast("int", attributes[semconv.DSPY_TRIAL_INDEX]),
        label=cast("str | None", attributes.get(semconv.DSPY_TRIAL_LABEL)),
        kind=cast("str", attributes[semconv.DSPY_TRIAL_KIND]),
        state=cast("str", attributes[semconv.DSPY_TRIAL_STATE]),
        scope=cast("str | None", attributes.get(semconv.DSPY_TRIAL_SCOPE)),
        score=cast("float | None", attributes.get(semconv.DSPY_TRIAL_SCORE)),
        unit=cast("str | None", attributes.get(semconv.DSPY_TRIAL_SCORE_UNIT)),
        best_score=cast("float | None", attributes.get(semconv.DSPY_TRIAL_BEST_SCORE)),
        is_best=bool(attributes.get(semconv.DSPY_TRIAL_IS_BEST)),
        parameters=below(attributes, semconv.DSPY_TRIAL_PARAMETER),
        input_tokens=cast("int", attributes.get(semconv.DSPY_USAGE_INPUT_TOKENS, 0)),
        output_tokens=cast("int", attributes.get(semconv.DSPY_USAGE_OUTPUT_TOKENS, 0)),
        lm_calls=cast("int", attributes.get(semconv.DSPY_USAGE_LM_CALLS, 0)),
        observed=semconv.DSPY_USAGE_LM_CALLS in attributes,
        cost=cast("float | None", attributes.get(semconv.DSPY_USAGE_COST)),
        unpriced_calls=cast("int", attributes.get(semconv.DSPY_USAGE_UNPRICED_CALLS, 0)),
        models=_models(below(attributes, semconv.DSPY_USAGE_MODEL)),
        seconds=max(0, ended - started) / NANOSECONDS,  # the clock may have been set back
        failure=failure_of_all(attributes),
    )


def failure_of_all(attributes: Mapping[str, AttributeValue]) -> str | None:
    """Return type and message of the first failure, in one line, if every example of the span failed; else None."""
    if not attributes.get(semconv.DSPY_FAILURES_ALL):
        return None
    return failure_text(
        cast("str | None", attributes.get(semconv.DSPY_FAILURES_FIRST_TYPE)),
        cast("str | None", attributes.get(semconv.DSPY_FAILURES_FIRST_MESSAGE)),
    )


def _models(attributes: Mapping[str, AttributeValue]) -> dict[str, ModelUse]:
    def count(model: str, name: str) -> int:
        return cast("int", attributes.get(f"{model}.{name}", 0))

    return {
        model: ModelUse(
            count(model, "lm_calls"),
            count(model, "input_tokens") + count(model, "output_tokens"),
            cast("float | None", attributes.get(f"{model}.cost")),
            count(model, "unpriced_calls"),
        )
        for model in sorted({name.rpartition(".")[0] for name in attributes})
    }


def below(attributes: Mapping[str, AttributeValue], prefix: str) -> dict[str, AttributeValue]:
    """Return the attributes whose names begin with `prefix`, without the prefix."""
    return {name.removeprefix(prefix): value for name, value in attributes.items() if name.startswith(prefix)}
