"""Names that MLflow's own DSPy autologging gives the scores, written beside otel-dspy's if asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from otel_dspy.environment.boolean_text import boolean_variable
from otel_dspy.environment.variable_names import AUTOLOG_METRICS
from otel_dspy.mlflow.mapping.operations import MetricPoint
from otel_dspy.mlflow.mapping.run_keys import CompileRun
from otel_dspy.mlflow.records.metric_names import FULL_SCORE, MINIBATCH_SCORE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_dspy.mlflow.mapping.run_keys import RunKey


# MLflow 3.17.2, mlflow/dspy/callback.py: `eval` on the run of each evaluation; on the optimization's run MIPROv2's own
# keys, and `eval` for other optimizers.
_OF_COMPILE: Final = {FULL_SCORE: ("eval_full", "eval"), MINIBATCH_SCORE: ("eval_minibatch",)}
_OF_EVALUATION: Final = {FULL_SCORE: ("eval",), MINIBATCH_SCORE: ("eval",)}


def wanted() -> bool:
    """Return whether OTEL_DSPY_MLFLOW_AUTOLOG_METRICS asks for autologging's names."""
    return boolean_variable(os.environ, AUTOLOG_METRICS, default=False)


def with_autolog_names(run: RunKey, points: Iterable[MetricPoint]) -> tuple[MetricPoint, ...]:
    """Return the points, followed by the scores among them once more under autologging's names.

    Args:
        run: the run that they belong to.
        points: values of metrics.
    """
    found = tuple(points)
    names = _OF_COMPILE if isinstance(run, CompileRun) else _OF_EVALUATION
    again = (
        MetricPoint(name, point.value, point.step, point.time_ms)
        for point in found
        for name in names.get(point.name, ())
    )
    return (*found, *again)
