"""Plan of BootstrapFewShot: attempts until there are enough demos. Source: `bootstrap.py` of dspy 3.4.1."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.hooks.optimizers.plans.call_plan import NOTHING, Amount, scored

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_dspy.hooks.optimizers.plans.call_plan import CallPlan

ATTEMPTS: Final = "A bootstrap ends once enough attempts have succeeded: how many that takes depends on the metric."
_SUCCESS: Final = 0.5
"""Assumed share of attempts that succeed, for the likely number."""


def attempts(wanted: int, examples: int, rounds: int = 1, *, has_metric: bool = True) -> Amount:
    """Return the number of attempts to bootstrap this many demos.

    Args:
        wanted: number of demos at which the bootstrap ends.
        examples: size of the training set.
        rounds: attempts for each example.
        has_metric: whether a metric judges the attempts; without one, each succeeds.
    """
    if wanted <= 0:
        return NOTHING
    least = min(wanted, examples)
    if not has_metric:
        return Amount.exactly(least)
    return Amount.between(least, examples * rounds, wanted / _SUCCESS)


def filled(bootstrapped: float, labeled: int, examples: int) -> float:
    """Return the number of demos of a predictor: bootstrapped ones, filled up with labeled ones.

    Args:
        bootstrapped: number of bootstrapped demos.
        labeled: most demos to fill up to.
        examples: size of the training set.
    """
    found = min(bootstrapped, examples)
    return found + max(0.0, min(labeled, examples) - found)


def bootstrap(sizes: Sequence[int], examples: int, rounds: int, *, has_metric: bool, labeled: int = 0) -> CallPlan:
    """Return the plan of several bootstraps.

    Args:
        sizes: number of demos that each is to find.
        examples: size of the training set.
        rounds: attempts for each example.
        has_metric: whether a metric judges the attempts.
        labeled: labeled demos of the teacher.
    """
    runs = sum((attempts(size, examples, rounds, has_metric=has_metric) for size in sizes), NOTHING)
    plan = scored(runs, *(() if runs.is_exact else (ATTEMPTS,)), demos=min(labeled, examples))
    return plan if has_metric else replace(plan, metric_runs=NOTHING)


def bootstrap_few_shot(optimizer: Any, arguments: Mapping[str, Any]) -> CallPlan:
    """Return the plan of a BootstrapFewShot.

    Args:
        optimizer: the optimizer.
        arguments: the arguments of compile by name.
    """
    return bootstrap(
        [optimizer.max_bootstrapped_demos],
        len(arguments["trainset"]),
        optimizer.max_rounds,
        has_metric=optimizer.metric is not None,
    )
