"""Measurement of a program: runs it on some examples, scores them, and returns the rates of their calls."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from opentelemetry.context import attach, detach, get_current

from otel_dspy import semconv
from otel_dspy.forecasting.demo_length import Step, growth
from otel_dspy.forecasting.error import ForecastError
from otel_dspy.forecasting.rates import Rates, RoleRate
from otel_dspy.hooks.optimizers.plans.call_plan import Amount
from otel_dspy.telemetry.call_context import CallContext, with_call_context
from otel_dspy.telemetry.tallies.lm_roles import JUDGE, TASK
from otel_dspy.telemetry.tallies.usage_tally import UsageTally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_dspy.telemetry.tallies.lm_roles import Role
    from otel_dspy.telemetry.tallies.usage_tally import Spending


_SINGULAR: Final = 1e-6
"""Share of the determinant below which input and output tokens of the runs are proportional, so that no fit exists."""


class MeasuredCall(NamedTuple):
    """Usage and duration of one run of the program or of the metric."""

    spent: Spending
    seconds: float
    input_tokens: int
    growth: float | None
    """See `demo_length.growth`."""


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
    runs: list[MeasuredCall] = []
    scores: list[MeasuredCall] = []
    for example in examples:
        prediction, run = _timed(TASK, lambda example=example: program(**example.inputs()))
        runs.append(run)
        if metric is not None:
            _, score = _timed(JUDGE, lambda example=example, prediction=prediction: metric(example, prediction))
            scores.append(score)
    return _rates(runs, scores, threads)


def _timed(role: Role, call: Callable[[], Any]) -> tuple[Any, MeasuredCall]:
    import dspy  # noqa: PLC0415 - seconds

    tally, steps = UsageTally(), list[Step]()
    token = attach(with_call_context(CallContext(usage=tally, role=role), get_current()))
    started = time.perf_counter()
    try:
        with cast("Any", dspy).context(trace=steps):
            result = call()
    finally:
        detach(token)
    seconds = time.perf_counter() - started
    given = cast("int", tally.attributes()[semconv.DSPY_USAGE_INPUT_TOKENS])
    return result, MeasuredCall(tally.spent(), seconds, given, growth(steps) if role == TASK else None)


def _rates(runs: Sequence[MeasuredCall], scores: Sequence[MeasuredCall], threads: int) -> Rates:
    roles: dict[str, RoleRate] = {}
    notes: list[str] = []
    for role, parts in ((TASK, runs), (JUDGE, scores)):
        sent = sum(part.spent.lm_calls - part.spent.cache_hits for part in parts)
        if sent:
            unpriced = any(part.spent.unpriced_calls for part in parts)
            added = _tokens_of_a_demo(parts)
            roles[role] = RoleRate(
                tokens=sum(part.spent.tokens for part in parts) / sent,
                cost=None if unpriced else sum(part.spent.cost for part in parts) / sent,
                tokens_of_a_demo=added,
                cost_of_a_demo=added * price_of_input(parts),
            )
    if any(part.spent.cache_hits for part in (*runs, *scores)):
        notes.append("DSPy's cache answered some of the measured calls: they have no tokens, no cost and no duration.")
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


def _tokens_of_a_demo(parts: Sequence[MeasuredCall]) -> float:
    """Return the input tokens that a demo of each predictor adds to a run, in proportion to characters."""
    known = [part.input_tokens * part.growth for part in parts if part.growth is not None]
    return sum(known) / len(known) if known else 0.0


def price_of_input(parts: Sequence[MeasuredCall]) -> float:
    """Return the USD of an input token: the linear fit of the runs' costs; their mean price if that has no solution."""
    rows = [(part.input_tokens, part.spent.tokens - part.input_tokens, part.spent.cost) for part in parts]
    xx, xy, yy = (sum(row[a] * row[b] for row in rows) for a, b in ((0, 0), (0, 1), (1, 1)))
    xc, yc = (sum(row[a] * row[2] for row in rows) for a in (0, 1))
    determinant = xx * yy - xy * xy
    if determinant > _SINGULAR * xx * yy and (price := (xc * yy - yc * xy) / determinant) > 0:
        return price
    tokens = sum(part.spent.tokens for part in parts)
    return sum(part.spent.cost for part in parts) / tokens if tokens else 0.0


def _calls(parts: Sequence[MeasuredCall]) -> Amount:
    calls = [part.spent.lm_calls for part in parts]
    return Amount.between(min(calls), max(calls), sum(calls) / len(calls))
