"""Plans of BetterTogether and BootstrapFinetune.

Sources: `bettertogether.py` and `bootstrap_finetune.py` of dspy 3.4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.hooks.optimizers.plans.call_plan import Amount, CallPlan, scored

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_dspy.hooks.optimizers.plans.call_plan import NestedPlan

_ARROW: Final = " -> "


def better_together(optimizer: Any, arguments: Mapping[str, Any], nested: NestedPlan) -> CallPlan | None:
    """Return the plan: an evaluation of the given program, then each step's compile and evaluation.

    Args:
        arguments: the arguments of compile by name.
        optimizer: the optimizer.
        nested: returns the plan of a step.

    Returns:
        None if a step has no plan.
    """
    # Plans read sizes alone. The given dataset is not copied: that would use up a generator, or draw a sample anew.
    trainset: Sequence[Any] = range(len(arguments["trainset"]))
    valset = arguments.get("valset")
    if not valset:
        size = int(arguments["valset_ratio"] * len(trainset))
        valset, trainset = (trainset[:size], trainset[size:]) if arguments["valset_ratio"] else (None, trainset)
    steps: list[str] = arguments["strategy"].split(_ARROW)
    given: Mapping[str, Mapping[str, Any]] = arguments.get("optimizer_compile_args") or {}
    plan = scored(Amount.exactly((1 + len(steps)) * len(valset or ())))
    for step in steps:
        of_step = nested(
            optimizer.optimizers[step],
            {
                "student": arguments["student"],
                "trainset": trainset,
                "teacher": arguments.get("teacher"),
                "valset": valset,
                **given.get(step, {}),
            },
        )
        if of_step is None:
            return None
        plan = plan.plus(of_step)
    return plan


def bootstrap_finetune(optimizer: Any, arguments: Mapping[str, Any]) -> CallPlan:
    """Return the plan: each teacher runs on the training set. Training makes no calls.

    Args:
        optimizer: the optimizer.
        arguments: the arguments of compile by name.
    """
    teacher: Any = arguments.get("teacher")
    teachers = len(cast("list[Any]", teacher)) if isinstance(teacher, list) else 1
    runs = Amount.exactly(teachers * len(arguments["trainset"]))
    return scored(runs) if optimizer.metric is not None else CallPlan(program_runs=runs)
