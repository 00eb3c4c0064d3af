"""Attributes of a compile's forecast: its language model calls, in total and by role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_dspy import semconv
from otel_dspy.hooks.optimizers.plans.call_plan import NOTHING
from otel_dspy.hooks.optimizers.plans.program_calls import calls_of_a_run
from otel_dspy.telemetry.tallies.lm_roles import TASK

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.hooks.optimizers.plans.call_plan import Amount, CallPlan
    from otel_dspy.telemetry.tallies.lm_roles import Role


def planned_calls(plan: CallPlan, of_a_run: Amount) -> dict[Role, Amount]:
    """Return the LM calls of a compile by role, without those of the metric.

    Args:
        plan: its program runs and own calls.
        of_a_run: LM calls of one program run.
    """
    calls: dict[Role, Amount] = {TASK: plan.program_runs.times(of_a_run)}
    for role, amount in plan.own_calls.items():
        calls[role] = calls.get(role, NOTHING) + amount
    return {role: amount for role, amount in calls.items() if amount != NOTHING or role == TASK}


def forecast_attributes(plan: CallPlan, program: Any) -> dict[str, AttributeValue]:
    """Return `dspy.forecast.*`; without an upper bound, that attribute is absent.

    Args:
        plan: program runs and own calls of the compile.
        program: the program to be compiled.
    """
    calls = planned_calls(plan, calls_of_a_run(program)[0])
    total = sum(calls.values(), NOTHING)
    attributes: dict[str, AttributeValue] = {semconv.DSPY_FORECAST_LM_CALLS_LOW: int(total.low)}
    if total.high is not None:
        attributes[semconv.DSPY_FORECAST_LM_CALLS_HIGH] = int(total.high)
    for role, amount in calls.items():
        attributes[f"{semconv.DSPY_FORECAST_ROLE}{role}.lm_calls.low"] = int(amount.low)
        if amount.high is not None:
            attributes[f"{semconv.DSPY_FORECAST_ROLE}{role}.lm_calls.high"] = int(amount.high)
    return attributes
