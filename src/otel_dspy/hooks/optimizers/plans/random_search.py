"""Plans of the searches over demos: BootstrapFewShotWithRandomSearch and BootstrapFewShotWithOptuna.

Sources: `random_search.py` and `teleprompt_optuna.py` of dspy 3.4.1.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.hooks.optimizers.plans.bootstrap import bootstrap, filled
from otel_dspy.hooks.optimizers.plans.call_plan import Amount, scored

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otel_dspy.hooks.optimizers.plans.call_plan import CallPlan

FIRST_SEED: Final = -3
"""Seed of the unoptimized program."""
_FIRST_BOOTSTRAP: Final = -1
_STOPS: Final = "The search ends early at `stop_at_score`."


def random_search(optimizer: Any, arguments: Mapping[str, Any]) -> CallPlan:
    """Return the plan of a random search: a bootstrap for each seed from -1, and an evaluation for each from -3.

    Args:
        optimizer: the optimizer.
        arguments: the arguments of compile by name.
    """
    restrict: Iterable[int] | None = arguments.get("restrict")
    allowed = None if restrict is None else set(restrict)
    seeds = [seed for seed in range(FIRST_SEED, optimizer.num_candidate_sets) if allowed is None or seed in allowed]
    trainset = arguments["trainset"]
    validation = len(arguments.get("valset") or trainset)
    sizes = [_demos(optimizer, seed) for seed in seeds if seed >= _FIRST_BOOTSTRAP]
    labeled: int = optimizer.max_labeled_demos
    plan = bootstrap(
        sizes, len(trainset), optimizer.max_rounds, has_metric=optimizer.metric is not None, labeled=labeled
    )
    for seed in seeds:
        demos = 0.0
        if seed >= _FIRST_BOOTSTRAP:
            demos = filled(_demos(optimizer, seed), labeled, len(trainset))
        elif seed > FIRST_SEED:
            demos = filled(0, labeled, len(trainset))
        plan = plan.plus(scored(Amount.exactly(validation), demos=demos))
    if getattr(optimizer, "stop_at_score", None) is None:
        return plan
    least = validation if seeds and seeds[0] < _FIRST_BOOTSTRAP else 0
    return replace(
        plan,
        program_runs=Amount.between(least, plan.program_runs.high),
        metric_runs=Amount.between(least, plan.metric_runs.high),
        reasons=(*plan.reasons, _STOPS),
    )


def _demos(optimizer: Any, seed: int) -> int:
    most: int = optimizer.max_num_samples
    return most if seed == _FIRST_BOOTSTRAP else random.Random(seed).randint(optimizer.min_num_samples, most)  # noqa: S311 - DSPy's


def optuna_search(optimizer: Any, arguments: Mapping[str, Any]) -> CallPlan:
    """Return the plan of a search with Optuna: one bootstrap, and an evaluation for each trial.

    Args:
        optimizer: the optimizer.
        arguments: the arguments of compile by name.
    """
    trainset = arguments["trainset"]
    demos = bootstrap(
        [arguments["max_demos"]], len(trainset), optimizer.max_rounds, has_metric=optimizer.metric is not None
    )
    validation = len(arguments.get("valset") or trainset)
    return demos.plus(scored(Amount.exactly(optimizer.num_candidate_sets * validation)))
