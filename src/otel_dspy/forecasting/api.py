"""`otel_dspy.forecast`: calls, tokens, cost and time of an optimization before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_dspy.argument_checks import check_program, check_texts
from otel_dspy.forecasting.error import ForecastError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_dspy.forecasting.forecast import Forecast
    from otel_dspy.forecasting.rates import Rates
    from otel_dspy.hooks.optimizers.plans.call_plan import Amount, CallPlan


_DEMOS: Final = "Demos that the optimizer adds to prompts are counted with the length of the measured examples."
_NO_DEMOS: Final = "The measured program has no demos: those that an optimizer adds make its prompts longer."


def forecast(  # noqa: PLR0913 - compile's arguments, and where the rates come from
    optimizer: Any,
    program: Any,
    trainset: Sequence[Any],
    valset: Sequence[Any] | None = None,
    *,
    measure: int = 0,
    run: str | None = None,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    **compile_arguments: Any,
) -> Forecast:
    """Return the calls that an optimization will make, and with rates its tokens, cost and time.

    The calls come from the optimizer's arithmetic; no model is called. `measure` and `run` add the rates of calls.

    Args:
        optimizer: the optimizer, with its settings.
        program: the program to be optimized; None for an optimizer such as Ensemble, whose compile takes `programs`.
        trainset: the training set.
        valset: the validation set; None if compile gets none.
        measure: number of training examples to run the program and the metric on, once. These calls are made and paid.
        run: id of an optimization's run in MLflow to take the rates from, or `latest` for the last finished one of a
            program of this class. Not used if `measure` is given.
        tracking_uri: the MLflow store of `run`; None for MLflow's current one.
        experiment: name of the experiment in which `latest` searches; None for all.
        **compile_arguments: further arguments of the optimizer's compile, such as `num_trials`.

    Raises:
        ForecastError: the optimizer's arithmetic is unknown, a count is invalid, DSPy is not instrumented or the
            training set is empty but examples are to be measured, there is no such run, it made no calls, or MLflow is
            missing; an argument is of another type, or an empty text.
        mlflow.exceptions.MlflowException: the store of `run` did not answer.
        Exception: what the program or the metric raised on a measured example.
    """
    from otel_dspy.forecasting.forecast import Forecast  # noqa: PLC0415 - a hook imports DSPy's dependencies
    from otel_dspy.hooks.compilation import requested_forecasts  # noqa: PLC0415 - as above
    from otel_dspy.hooks.compilation.compile_plan import plan_of  # noqa: PLC0415 - as above
    from otel_dspy.hooks.optimizers.hook_registry import HookRegistry  # noqa: PLC0415 - as above
    from otel_dspy.hooks.optimizers.plans.counts import invalid_count  # noqa: PLC0415 - as above
    from otel_dspy.serialization.programs import program_name  # noqa: PLC0415 - as above

    if type(measure) is not int or measure < 0:
        message = f"measure={measure!r} is not a number of examples: use a whole number from 1, or 0 to measure none"
        raise ForecastError(message)
    if (invalid := invalid_count(optimizer, compile_arguments)) is not None:
        message = f"There is no forecast: {invalid}."
        raise ForecastError(message)
    if isinstance(optimizer, type):
        message = f"forecast(optimizer=...): {optimizer.__name__} is a class; pass an instance"
        raise ForecastError(message)
    try:
        if program is not None or "programs" not in compile_arguments:
            check_program("forecast", program)
        check_texts("forecast", run=run, tracking_uri=tracking_uri, experiment=experiment)
    except ValueError as error:
        raise ForecastError(str(error)) from None
    given = {"student": program, "trainset": trainset, "valset": valset, **compile_arguments}
    plan = plan_of(HookRegistry(), optimizer, given)
    name = type(optimizer).__name__
    if plan is None:
        message = (
            f"There is no forecast for {name} with these arguments: its arithmetic is unknown, or compile would reject "
            "them. See docs/forecast.md for the optimizers that have one."
        )
        raise ForecastError(message)
    rates: Rates | None = None
    if measure > 0:
        rates = _measured(optimizer, program, list(trainset[:measure]))
    elif run is not None:
        from otel_dspy.forecasting.past_run import past_rates  # noqa: PLC0415 - as above

        rates = past_rates(run, program_name(program), tracking_uri, experiment)
    calls, notes = _calls(plan, program, rates)
    total = _sum(calls)
    found = Forecast(
        optimizer=name,
        program=program_name(program),
        program_runs=plan.program_runs,
        lm_calls=total,
        calls_by_role=calls,
        tokens=None if rates is None else rates.tokens(calls, plan.demos),
        cost=None if rates is None else rates.cost(calls, plan.demos),
        seconds=None if rates is None or rates.seconds is None else total.times(rates.seconds),
        source=None if rates is None else rates.source,
        notes=(*plan.reasons, *notes),
    )
    if rates is not None:
        requested_forecasts.remember(
            optimizer,
            requested_forecasts.GivenForecast(plan=plan, tokens=found.tokens, cost=found.cost, seconds=found.seconds),
        )
    return found


def _calls(plan: CallPlan, program: Any, rates: Rates | None) -> tuple[dict[str, Amount], list[str]]:
    """Return the LM calls by role, and notes on them."""
    from otel_dspy.hooks.optimizers.plans.plan_attributes import planned_calls  # noqa: PLC0415 - as above
    from otel_dspy.hooks.optimizers.plans.program_calls import calls_of_a_run  # noqa: PLC0415 - as above

    of_a_run, note = calls_of_a_run(program)
    notes: list[str] = []
    if rates is not None and rates.calls_of_a_run is not None:
        of_a_run = rates.calls_of_a_run
    else:
        notes.append(note)
    calls: dict[str, Amount] = {**planned_calls(plan, of_a_run)}
    if rates is None or rates.calls_of_a_metric is None:
        notes.append("Calls of the metric are not included: measure some examples to include them.")
    elif (judged := plan.metric_runs.times(rates.calls_of_a_metric)).high != 0:
        calls["judge"] = judged
    if rates is not None:
        if missing := rates.without_rate(calls):
            notes.append(f"Tokens and cost do not include the calls of {', '.join(missing)}: none was measured.")
        if rates.cost(calls) is None:
            notes.append("There is no cost: the price of a model is unknown.")
        notes.extend(rates.notes)
        if rates.calls_of_a_run is not None:  # measured
            notes.append(_DEMOS if rates.has_demos and plan.demos.high else _NO_DEMOS)
    return calls, notes


def _measured(optimizer: Any, program: Any, examples: list[Any]) -> Rates:
    from otel_dspy.forecasting.measurement import measure  # noqa: PLC0415 - as above
    from otel_dspy.instrumentor import DSPyInstrumentor  # noqa: PLC0415 - as above

    if DSPyInstrumentor().tracer_provider is None:
        message = (
            "measure needs DSPy to be instrumented, which counts the calls: call otel_dspy.mlflow.autolog() or "
            "otel_dspy.DSPyInstrumentor().instrument() before forecast()"
        )
        raise ForecastError(message)
    import dspy  # noqa: PLC0415 - seconds

    settings: Any = dspy.settings
    metric = getattr(optimizer, "metric_fn", None) or getattr(optimizer, "metric", None)
    return measure(program, metric, examples, getattr(optimizer, "num_threads", None) or settings.num_threads)


def _sum(calls: Mapping[str, Amount]) -> Amount:
    from otel_dspy.hooks.optimizers.plans.call_plan import NOTHING  # noqa: PLC0415 - as above

    return sum(calls.values(), NOTHING)
