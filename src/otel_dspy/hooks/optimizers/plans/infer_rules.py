"""Plan of InferRules: rules for each predictor of each candidate. Source: `infer_rules.py` of dspy 3.4.1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_dspy.hooks.optimizers.plans.bootstrap import bootstrap
from otel_dspy.hooks.optimizers.plans.call_plan import Amount, CallPlan, scored
from otel_dspy.telemetry.tallies.lm_roles import PROMPT

if TYPE_CHECKING:
    from collections.abc import Mapping


def infer_rules(optimizer: Any, arguments: Mapping[str, Any]) -> CallPlan:
    """Return the plan: one bootstrap on the training half, then rules and an evaluation for each candidate.

    Args:
        optimizer: the optimizer.
        arguments: the arguments of compile by name.
    """
    training = len(arguments["trainset"])
    if arguments.get("valset") is None:
        training, validation = training // 2, training - training // 2
    else:
        validation = len(arguments["valset"])
    demos = bootstrap(
        [optimizer.max_bootstrapped_demos], training, optimizer.max_rounds, has_metric=optimizer.metric is not None
    )
    candidates = optimizer.num_candidates
    predictors = len(arguments["student"].predictors())
    rules = CallPlan(own_calls={PROMPT: Amount.exactly(candidates * predictors)})
    return demos.plus(rules).plus(scored(Amount.exactly(candidates * validation)))
