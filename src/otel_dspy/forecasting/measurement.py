"""Measurement of a program: runs it on some examples, scores them, and returns the rates of their calls."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.context import attach, detach, get_current

from otel_dspy.forecasting.error import ForecastError
from otel_dspy.forecasting.rates import Rates, RoleRate
from otel_dspy.hooks.optimizers.plans.call_plan import Amount
from otel_dspy.telemetry.call_context import CallContext, with_call_context
from otel_dspy.telemetry.usage import JUDGE, TASK, UsageTally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_dspy.telemetry.usage import Role, Spending


class _Part(NamedTuple):
    """Usage and duration of one run of the program or of the metric."""

    spent: Spending
    seconds: float


def measure(program: Any, metric: Callable[..., Any] | None, examples: Sequence[Any], threads: int) -> Rates:
    """Run a program on examples, one after the other, and return the rates. The calls cost what they cost.

    Args:
        program: the program.
        metric: called with each example and prediction; None without one.
        examples: the examples.
        threads: threads that the optimizer evaluates with, which bounds the time.

    Raises:
        ForecastError: there is no example.
        Exception: what the program or the metric raised.
    """
    if not examples:
        message = "There is no example to measure the program on: the training set is empty"
        raise ForecastError(message)
    runs: list[_Part] = []
    scores: list[_Part] = []
    for example in examples:
        prediction, run = _timed(TASK, lambda example=example: program(**example.inputs()))
        runs.append(run)
        if metric is not None:
            _, score = _timed(JUDGE, lambda example=example, prediction=prediction: metric(example, prediction))
            scores.append(score)
    return _rates(runs, scores, threads)


def _timed(role: Role, call: Callable[[], Any]) -> tuple[Any, _Part]:
    tally = UsageTally()
    token = attach(with_call_context(CallContext(usage=tally, role=role), get_current()))
    started = time.perf_counter()
    try:
        result = call()
    finally:
        detach(token)
    return result, _Part(tally.spent(), time.perf_counter() - started)


def _rates(runs: Sequence[_Part], scores: Sequence[_Part], threads: int) -> Rates:
    roles: dict[str, RoleRate] = {}
    notes: list[str] = []
    for role, parts in ((TASK, runs), (JUDGE, scores)):
        sent = sum(part.spent.lm_calls - part.spent.cache_hits for part in parts)
        if sent:
            unpriced = any(part.spent.unpriced_calls for part in parts)
            roles[role] = RoleRate(
                tokens=sum(part.spent.tokens for part in parts) / sent,
                cost=None if unpriced else sum(part.spent.cost for part in parts) / sent,
            )
    if any(part.spent.cache_hits for part in (*runs, *scores)):
        notes.append("DSPy's cache answered some of the measured calls: they have no tokens, no cost and no duration.")
    notes.append("The measured program has no demos: those that an optimizer adds make its prompts longer.")
    calls = sum(part.spent.lm_calls for part in (*runs, *scores))
    seconds = sum(part.seconds for part in (*runs, *scores)) / calls if calls else None
    return Rates(
        source=f"{len(runs)} measured example{'s' if len(runs) > 1 else ''}",
        roles=roles,
        seconds=None if seconds is None else Amount.between(seconds / max(threads, 1), seconds),
        calls_of_a_run=_calls(runs),
        calls_of_a_metric=_calls(scores) if scores else None,
        notes=tuple(notes),
    )


def _calls(parts: Sequence[_Part]) -> Amount:
    calls = [part.spent.lm_calls for part in parts]
    return Amount.between(min(calls), max(calls), sum(calls) / len(calls))
