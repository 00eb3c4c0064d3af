"""Plan of GEPA: its budget of metric calls. Sources: `gepa.py` of dspy 3.4.1, `core/engine.py` of gepa 0.1.4."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.hooks.optimizers.plans.call_plan import Amount, CallPlan
from otel_dspy.telemetry.tallies.lm_roles import REFLECTION

if TYPE_CHECKING:
    from collections.abc import Mapping

_OVER: Final = "GEPA compares its budget between iterations: the last iteration may exceed it."
_REFLECTIONS: Final = (
    "How many proposals GEPA makes within its budget depends on how many it accepts, since each is then validated."
)
_STOPS: Final = "Stop conditions or a stored state (`log_dir`) may end GEPA before its budget."
_MERGE: Final = 5
"""Validation examples on which a merge is tried."""


def gepa(optimizer: Any, arguments: Mapping[str, Any]) -> CallPlan:
    """Return the plan. Each iteration scores a parent and its proposal on a minibatch, an accepted one on all examples.

    Args:
        optimizer: the optimizer.
        arguments: the arguments of compile by name.
    """
    training = len(arguments["trainset"])
    validation = len(arguments.get("valset") or arguments["trainset"])
    predictors = len(arguments["student"].predictors())
    parts = predictors + _flex_modules(arguments["student"])
    budget = max(_budget(optimizer, arguments, parts), validation)
    batch = min(optimizer.reflection_minibatch_size, training)
    pair = 2 * batch
    iteration = max(pair, _MERGE if optimizer.use_merge else 0) + validation
    left = budget - validation
    runs = Amount.between(budget, budget - 1 + iteration, budget + batch) if left else Amount.exactly(validation)
    stops = bool(optimizer.log_dir or "stop_callbacks" in (optimizer.gepa_kwargs or {}))
    if stops:
        runs = Amount.between(0 if optimizer.log_dir else validation, runs.high, runs.likely)
    iterations = math.ceil(left / pair)
    components = parts if optimizer.component_selector == "all" else 1
    reflections = Amount.between(0, iterations * components, components * left / (pair + validation / 3))
    # The metric is called once more for the feedback of each example of a minibatch.
    feedback = Amount.between(0, iterations * batch * components)
    reasons = (*((_OVER, _REFLECTIONS) if left else ()), *((_STOPS,) if stops else ()))
    return CallPlan(
        program_runs=runs, metric_runs=runs + feedback, own_calls={REFLECTION: reflections}, reasons=reasons
    )


def _flex_modules(program: Any) -> int:
    """Return the number of `dspy.Flex` modules, whose code is a component; 0 where DSPy has none."""
    return sum(type(module).__name__ == "Flex" for _, module in program.named_sub_modules())


def _budget(optimizer: Any, arguments: Mapping[str, Any], parts: int) -> int:
    given = arguments.get("valset")
    if optimizer.auto is not None:
        from dspy.teleprompt.gepa.gepa import AUTO_RUN_SETTINGS  # noqa: PLC0415 - dspy is imported when it is used

        candidates: int = AUTO_RUN_SETTINGS[optimizer.auto]["n"]
        size = len(arguments["trainset"] if given is None else given)
        return optimizer.auto_budget(num_preds=max(parts, 1), num_candidates=candidates, valset_size=size)
    if optimizer.max_full_evals is not None:
        return optimizer.max_full_evals * (len(arguments["trainset"]) + len(given or ()))
    return optimizer.max_metric_calls
