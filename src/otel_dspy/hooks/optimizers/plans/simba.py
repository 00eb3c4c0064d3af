"""Plan of SIMBA: sampling, candidates and their scores in each step. Source: `simba.py` of dspy 3.4.1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_dspy.hooks.optimizers.plans.call_plan import Amount, CallPlan, scored
from otel_dspy.telemetry.tallies.lm_roles import PROMPT

if TYPE_CHECKING:
    from collections.abc import Mapping

_STRATEGIES: Final = (
    "SIMBA draws for each candidate whether to ask for a rule, and asks only where examples differ in their scores."
)


def simba(optimizer: Any, arguments: Mapping[str, Any]) -> CallPlan:
    """Return the plan. A strategy that raises drops its candidate, which makes the runs fewer than planned.

    Args:
        optimizer: the optimizer.
        arguments: the arguments of compile by name.
    """
    steps, batch, samples = optimizer.max_steps, optimizer.bsize, optimizer.num_candidates
    candidates = min(batch, samples + 1)
    runs = steps * batch * (samples + candidates) + _validated(steps, samples) * len(arguments["trainset"])
    rules = Amount.between(0, steps * candidates)
    return scored(Amount.exactly(runs), _STRATEGIES).plus(CallPlan(own_calls={PROMPT: rules}))


def _validated(steps: int, samples: int) -> int:
    """Return the number of programs that are validated: the winners of evenly spaced steps, and the initial one."""
    return len({round(index * steps / samples) for index in range(samples + 1)}) if steps else 1
