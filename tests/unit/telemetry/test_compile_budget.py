from __future__ import annotations

import logging

import pytest

from otel_dspy.budget import Budget, BudgetExceeded
from otel_dspy.telemetry.tallies.compile_budget import CompileBudget
from otel_dspy.telemetry.tallies.leaderboard import Leaderboard
from otel_dspy.telemetry.tallies.usage_tally import CallUsage, UsageTally


def test_the_cost_of_nested_tallies_counts(caplog: pytest.LogCaptureFixture) -> None:
    """Each call's cost counts; the message has what is spent, and the unknown price is reported once."""
    usage = UsageTally()
    budget = CompileBudget(
        Budget(cost=1.0, tokens=1000, on_exceeded="stop"), usage, lambda: 0.0, "COPRO", "c1", Leaderboard()
    )
    trial = UsageTally(usage)
    with caplog.at_level(logging.WARNING):
        for cost in (0.5, 0.375):
            budget.before_call()
            trial.add(CallUsage(10, 5, cost), "prompt", "a")
        for _ in range(2):
            budget.before_call()
            trial.add(CallUsage(10, 5, None, unpriced=True), "judge", "b")
        trial.add(CallUsage(10, 5, 0.25), "task", "a")
        with pytest.raises(BudgetExceeded) as raised:
            budget.before_call()
        with pytest.raises(BudgetExceeded) as again:
            budget.raise_if_stopped()
    assert str(raised.value) == str(again.value)
    assert str(raised.value) == ("COPRO has exceeded its budget: cost 1.1250 of 1 USD; no trial has a full score yet")
    assert [record.getMessage() for record in caplog.records] == [
        "COPRO has used 80% of its budget: cost 0.8750 of 1 USD",
        (
            "COPRO calls a language model whose price is unknown: the cost budget does not include its calls. Add a "
            "limit of tokens or lm_calls."
        ),
        "COPRO has exceeded its budget: cost 1.1250 of 1 USD; it ends before the next call",
    ]
