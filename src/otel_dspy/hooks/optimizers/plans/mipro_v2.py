"""Plan of MIPROv2. Sources: `mipro_optimizer_v2.py`, `utils.py`, `grounded_proposer.py` of dspy 3.4.1."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.hooks.optimizers.plans.bootstrap import ATTEMPTS, attempts, filled
from otel_dspy.hooks.optimizers.plans.call_plan import NOTHING, Amount, CallPlan, scored
from otel_dspy.telemetry.tallies.lm_roles import PROMPT

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUMMARY: Final = 'The summary of the data ends early once the model has answered "COMPLETE" five times.'
_MOST_OBSERVATIONS: Final = 9
"""`max_calls` of `create_dataset_summary` is 10, and the tenth is not made."""
_COMPLETE: Final = 5
"""Answers "COMPLETE" that end the summary."""
_SHARE_OF_VALIDATION: Final = 0.8
_MOST_VALIDATION: Final = 1000


@dataclass(frozen=True)
class _Resolved:
    """Settings that MIPROv2 runs with; `auto` and the split of the training set are resolved."""

    predictors: int
    training: int
    validation: int
    bootstrapped: int
    labeled: int
    trials: int
    minibatch: bool
    instructions: int
    demo_sets: int
    zero_shot: bool


def mipro_v2(optimizer: Any, arguments: Mapping[str, Any]) -> CallPlan:
    """Return the plan: bootstraps, proposals, and the search.

    Args:
        optimizer: the optimizer.
        arguments: the arguments of compile by name.
    """
    found = _resolved(optimizer, arguments)
    return (
        _bootstraps(found, has_metric=optimizer.metric is not None)
        .plus(_proposals(found, arguments))
        .plus(_search(found, arguments))
    )


def _resolved(optimizer: Any, arguments: Mapping[str, Any]) -> _Resolved:
    from dspy.teleprompt import mipro_optimizer_v2 as module  # noqa: PLC0415 - dspy is imported when it is used

    training = len(arguments["trainset"])
    if arguments.get("valset") is None:
        validation = min(_MOST_VALIDATION, max(1, int(training * _SHARE_OF_VALIDATION)))
        training -= validation
    else:
        validation = len(arguments["valset"])
    given: list[int | None] = [arguments["max_bootstrapped_demos"], arguments["max_labeled_demos"]]
    held: list[int] = [optimizer.max_bootstrapped_demos, optimizer.max_labeled_demos]
    bootstrapped, labeled = (own if value is None else value for value, own in zip(given, held, strict=True))
    zero_shot = bootstrapped == labeled == 0
    trials, minibatch = arguments.get("num_trials"), bool(arguments["minibatch"])
    instructions = demo_sets = optimizer.num_candidates
    if optimizer.auto:
        settings = cast("Any", module).AUTO_RUN_SETTINGS[optimizer.auto]
        validation = min(settings["val_size"], validation)
        minibatch = validation > cast("int", module.MIN_MINIBATCH_SIZE)
        demo_sets = settings["n"]
        instructions = demo_sets if zero_shot else int(demo_sets * 0.5)
        choices = len(arguments["student"].predictors()) * (1 if zero_shot else 2)
        trials = int(max(2 * choices * math.log2(demo_sets), 1.5 * demo_sets))
    return _Resolved(
        predictors=len(arguments["student"].predictors()),
        training=training,
        validation=validation,
        bootstrapped=cast("int", module.BOOTSTRAPPED_FEWSHOT_EXAMPLES_IN_CONTEXT) if zero_shot else bootstrapped,
        labeled=labeled,
        trials=cast("int", trials),
        minibatch=minibatch,
        instructions=instructions,
        demo_sets=demo_sets,
        zero_shot=zero_shot,
    )


def _bootstraps(found: _Resolved, *, has_metric: bool) -> CallPlan:
    """Return the plan of the demo sets: the first has none, the second labeled ones, the third `bootstrapped` ones.

    Each further set has a number of them that is drawn.
    """
    runs = NOTHING
    for number in range(found.demo_sets):
        if number == 0 or (number == 1 and found.labeled > 0):
            continue
        most = attempts(found.bootstrapped, found.training, has_metric=has_metric)
        if number != 2:  # noqa: PLR2004 - the third
            least = attempts(1, found.training, has_metric=has_metric)
            most = Amount.between(least.low, most.high, (least.likely + most.likely) / 2)
        runs += most
    plan = scored(runs, *(() if runs.is_exact else (ATTEMPTS,)), demos=min(found.labeled, found.training))
    return plan if has_metric else replace(plan, metric_runs=NOTHING)


def _demos(found: _Resolved) -> float:
    """Return the mean number of demos of a predictor over the sets: the search draws one of them for each trial."""
    if found.zero_shot:
        return 0.0
    sets = [0.0]
    for number in range(1, found.demo_sets):
        drawn = {1: 0.0, 2: float(found.bootstrapped)}.get(number, (1 + found.bootstrapped) / 2)
        sets.append(filled(drawn, found.labeled, found.training))
    return sum(sets) / len(sets)


def _proposals(found: _Resolved, arguments: Mapping[str, Any]) -> CallPlan:
    calls, reasons = NOTHING, ()
    if arguments["data_aware_proposer"]:
        batch: int = arguments["view_data_batch_size"]
        observations = min(_MOST_OBSERVATIONS, len(range(batch, found.training, batch)))
        calls += Amount.between(2 + min(_COMPLETE, observations), 2 + observations, 2 + observations)
        reasons = () if calls.is_exact else (_SUMMARY,)
    each = 3 if arguments["program_aware_proposer"] and _has_source(arguments["student"]) else 1
    proposals = found.predictors * min(found.instructions, max(found.demo_sets, 1)) * each
    return CallPlan(own_calls={PROMPT: calls + Amount.exactly(proposals)}, reasons=reasons)


def _has_source(program: Any) -> bool:
    """Return whether DSPy finds the program's source; without it, MIPROv2 does not describe the program."""
    from dspy.propose import utils  # noqa: PLC0415 - as above

    try:
        cast("Any", utils).get_dspy_source_code(program)
    except Exception:
        return False
    return True


def _search(found: _Resolved, arguments: Mapping[str, Any]) -> CallPlan:
    """Return the plan of the search: the initial program, each trial, and with minibatches full evaluations."""
    if not found.minibatch:
        initial = scored(Amount.exactly(found.validation))
        return initial.plus(scored(Amount.exactly(found.validation * found.trials), demos=_demos(found)))
    steps: int = arguments["minibatch_full_eval_steps"]
    last = found.trials + found.trials // steps + (1 if found.trials % steps else 0)
    full, number = 1, 1  # the initial program; Optuna numbers trials and full evaluations together
    for _ in range(found.trials):
        number += 1
        if number % (steps + 1) == 0 or number == last:
            full += 1
            number += 1
    batch = min(arguments["minibatch_size"], found.validation)
    initial = scored(Amount.exactly(found.validation))
    return initial.plus(
        scored(Amount.exactly(found.validation * (full - 1) + batch * found.trials), demos=_demos(found))
    )
