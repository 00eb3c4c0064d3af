"""Forecasts of tokens, cost and time that the program has asked for, kept until the optimizer compiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from otel_dspy import semconv

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.hooks.optimizers.plans.call_plan import Amount, CallPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenForecast:
    """A forecast with rates: of this plan, in tokens, USD and seconds; None where it is unknown."""

    plan: CallPlan
    tokens: Amount | None
    cost: Amount | None
    seconds: Amount | None


_given: Final[WeakKeyDictionary[Any, GivenForecast]] = WeakKeyDictionary()
_ATTRIBUTES: Final = {
    "tokens": (semconv.DSPY_FORECAST_TOKENS_LOW, semconv.DSPY_FORECAST_TOKENS_HIGH),
    "cost": (semconv.DSPY_FORECAST_COST_LOW, semconv.DSPY_FORECAST_COST_HIGH),
    "seconds": (semconv.DSPY_FORECAST_SECONDS_LOW, semconv.DSPY_FORECAST_SECONDS_HIGH),
}


def remember(optimizer: Any, forecast: GivenForecast) -> None:
    """Keep the forecast for the optimizer's next compiles, as long as the optimizer exists."""
    try:
        _given[optimizer] = forecast
    except TypeError:  # no weak references, or not hashable
        return


def given_attributes(optimizer: Any, plan: CallPlan) -> dict[str, AttributeValue]:
    """Return the attributes of the forecast that was given for this optimizer.

    Args:
        optimizer: the optimizer.
        plan: plan of the compile; a forecast of another plan does not apply.
    """
    try:
        forecast = _given.get(optimizer)
    except TypeError:
        return {}
    if forecast is None or forecast.plan != plan:
        return {}
    attributes: dict[str, AttributeValue] = {}
    for name, (low, high) in _ATTRIBUTES.items():
        amount: Amount | None = getattr(forecast, name)
        if amount is None:
            continue
        attributes[low] = float(amount.low)
        if amount.high is not None:
            attributes[high] = float(amount.high)
    return attributes
