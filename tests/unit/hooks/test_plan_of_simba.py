"""Planned runs of SIMBA for small settings."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from otel_dspy.hooks.optimizers.plans.call_plan import Amount
from otel_dspy.hooks.optimizers.plans.simba import simba
from otel_dspy.telemetry.tallies.lm_roles import PROMPT


@pytest.mark.parametrize(
    ("steps", "runs", "rules"),
    [(0, 5, 0), (1, 4 * (3 + 4) + 2 * 5, 4), (2, 2 * 4 * (3 + 4) + 3 * 5, 8), (8, 8 * 4 * (3 + 4) + 4 * 5, 32)],
)
def test_runs_by_number_of_steps(steps: int, runs: int, rules: int) -> None:
    """Without a step the initial program is scored on the training set, once for each example."""
    optimizer = SimpleNamespace(max_steps=steps, bsize=4, num_candidates=3)
    plan = simba(optimizer, {"trainset": [object()] * 5})
    assert plan.program_runs == Amount.exactly(runs)
    assert plan.own_calls[PROMPT] == Amount.between(0, rules)
