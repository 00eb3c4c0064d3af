"""Rates of an optimization that MLflow has recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.environment.optional_modules import is_installed
from otel_dspy.forecasting.error import ForecastError
from otel_dspy.forecasting.rates import Rates, RoleRate
from otel_dspy.hooks.optimizers.plans.call_plan import Amount
from otel_dspy.reporting.errors import ReportError

if TYPE_CHECKING:
    from otel_dspy.reporting.trials.trial_row import ModelUse

_SAME_THREADS: Final = "The time is that of a run with the same number of threads."
_NO_TIME: Final = "There is no time: that of the run is unknown, as the clock was set back while it ran."


def past_rates(run: str, program: str, tracking_uri: str | None, experiment: str | None) -> Rates:
    """Read the rates of an optimization.

    Args:
        run: id of its run, or `latest` for the last finished one of a program of this name.
        program: name of the program's class.
        tracking_uri: the MLflow store; None for MLflow's current one.
        experiment: name of the experiment in which `latest` searches; None for all.

    Raises:
        ForecastError: there is no such run, or it made no calls.
        mlflow.exceptions.MlflowException: the store did not answer.
    """
    if not is_installed("mlflow"):
        message = "A forecast from a past run reads MLflow, which is missing. Install otel-dspy[mlflow]."
        raise ForecastError(message)
    import mlflow  # noqa: PLC0415 - seconds

    from otel_dspy.reporting.runs.past_usage import past_usage  # noqa: PLC0415 - MLflow: seconds
    from otel_dspy.reporting.runs.read_error import store_errors  # noqa: PLC0415 - the same

    uri = tracking_uri or mlflow.get_tracking_uri()
    try:
        with store_errors(uri):
            found = past_usage(uri, run, program, experiment)
    except ReportError as error:
        raise ForecastError(str(error)) from None
    calls = sum(use.calls for use in found.by_role.values())
    if not calls:
        message = f"Run {found.run_id} made no language model calls: forecast from another run, or measure examples"
        raise ForecastError(message)
    return Rates(
        source=f"run {found.run_id} ({found.optimizer})",
        roles={role: _rate(use) for role, use in found.by_role.items() if use.calls},
        seconds=Amount.exactly(found.duration / calls) if found.duration > 0 else None,
        notes=(_SAME_THREADS if found.duration > 0 else _NO_TIME, *_of_the_cache(found.cache_hits, calls)),
    )


def _of_the_cache(hits: int, calls: int) -> tuple[str, ...]:
    if not hits:
        return ()
    text = f"DSPy's cache answered {hits} of the run's {calls} calls: they have no tokens, no cost and hardly any time."
    return (text,)


def _rate(use: ModelUse) -> RoleRate:
    unpriced = use.cost is None or use.unpriced_calls > 0
    return RoleRate(tokens=use.tokens / use.calls, cost=None if unpriced else (use.cost or 0.0) / use.calls)
