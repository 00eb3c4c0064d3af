"""Tokens and cost of forecast calls, from the rates of past ones."""

from __future__ import annotations

import pytest

from otel_dspy.forecasting.forecast import Forecast
from otel_dspy.forecasting.measurement import MeasuredCall, price_of_input
from otel_dspy.forecasting.rates import Rates, RoleRate
from otel_dspy.hooks.optimizers.plans.call_plan import Amount
from otel_dspy.telemetry.tallies.usage_tally import Spending

CALLS = {"task": Amount.exactly(10), "judge": Amount.between(2, 4), "prompt": Amount.exactly(7)}
TASK = RoleRate(tokens=15, cost=0.002, tokens_of_a_demo=20, cost_of_a_demo=0.0001)
JUDGE = RoleRate(tokens=100, cost=0.001)


def _measured(given: int, made: int, cost: float) -> MeasuredCall:
    return MeasuredCall(Spending(cost, given + made, 1, 0, 0), 1.0, given, None)


def test_tokens_and_cost_are_those_of_the_calls_and_of_the_demos() -> None:
    """Calls of a role that was not measured are left out of both."""
    rates = Rates(source="here", roles={"task": TASK, "judge": JUDGE})
    assert rates.tokens(CALLS, Amount.exactly(5)) == Amount(450, 650, 550)
    cost = rates.cost(CALLS, Amount.exactly(5))
    assert cost is not None
    assert (cost.low, cost.high, cost.likely) == pytest.approx((0.0225, 0.0245, 0.0235))
    assert rates.without_rate(CALLS) == ["prompt"]


def test_an_unknown_price_of_a_role_with_calls() -> None:
    """There is no cost, rather than a part of it; the tokens are known."""
    rates = Rates(source="here", roles={"task": TASK, "judge": RoleRate(tokens=100, cost=None)})
    assert rates.cost(CALLS) is None
    assert rates.cost({"task": Amount.exactly(10)}) == Amount.exactly(0.02)
    assert rates.tokens({"judge": Amount.exactly(1)}) == Amount.exactly(100)


def test_the_price_of_an_input_token() -> None:
    """That which explains the costs, where output costs more; the mean price where several would."""
    assert price_of_input([_measured(100, 10, 0.00028), _measured(200, 5, 0.00044)]) == pytest.approx(2e-6)
    assert price_of_input([_measured(100, 10, 0.00022), _measured(200, 20, 0.00044)]) == pytest.approx(2e-6)
    assert price_of_input([_measured(0, 0, 0.0)]) == 0.0
    assert price_of_input([]) == 0.0


def test_the_text_of_a_forecast() -> None:
    """A range has the likely number; one without an end its least; time is in seconds and cost in USD."""
    found = Forecast(
        optimizer="GEPA", program="Predict", program_runs=Amount.between(10, None), lm_calls=Amount.between(1000, 3000),
        calls_by_role={"task": Amount.exactly(1000)}, tokens=Amount.exactly(1_234_567),
        cost=Amount(0.0225, 0.0245, 0.0235), seconds=Amount.between(60, 120), source="2 measured examples",
        notes=("A note.",),
    )  # fmt: skip
    assert str(found).splitlines() == [
        "GEPA on Predict",
        "  program runs  at least 10",
        "  LM calls      1,000 to 3,000, likely 2,000",
        "    task        1,000",
        "  tokens        1,234,567",
        "  cost          0.0225 to 0.0245, likely 0.0235 USD",
        "  time          60 to 120, likely 90 s",
        "Tokens, cost and time are based on 2 measured examples.",
        "A note.",
    ]
