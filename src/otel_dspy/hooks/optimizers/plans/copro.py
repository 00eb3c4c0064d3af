"""Plan of COPRO: breadth x depth prompts for each predictor. Source: `copro_optimizer.py` of dspy 3.4.1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_dspy.hooks.optimizers.plans.call_plan import Amount, CallPlan, scored
from otel_dspy.telemetry.tallies.lm_roles import PROMPT

if TYPE_CHECKING:
    from collections.abc import Mapping


def copro(optimizer: Any, arguments: Mapping[str, Any]) -> CallPlan:
    """Return the plan: a proposal for each predictor and depth, and an evaluation for each prompt.

    With several predictors, COPRO scores the prompts of earlier depths again.

    Args:
        optimizer: the optimizer.
        arguments: the arguments of compile by name.
    """
    predictors = len(arguments["student"].predictors())
    breadth, depth = optimizer.breadth, optimizer.depth
    prompts = breadth * depth if predictors == 1 else predictors * breadth * depth * (depth + 1) // 2
    evaluations = scored(Amount.exactly(prompts * len(arguments["trainset"])))
    return evaluations.plus(CallPlan(own_calls={PROMPT: Amount.exactly(predictors * max(depth, 1))}))
