"""Metrics of runs: scores, failed examples, an optimizer's measurements, and usage by role and by language model."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.mapping.naming import OBJECTIVE, key, keyed
from otel_dspy.mlflow.records import metric_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otel_dspy.mlflow.records.span_records import Failures, Usage

_MAX_PART: Final = 200
"""Maximum characters of a language model's or an error's name within a metric's name."""


def measures(values: Mapping[str, float]) -> dict[str, float]:
    """Return the optimizer's measurements as `search/<name>`, its objectives as `score/objective/<name>`."""
    objectives = {name: value for name, value in values.items() if name.startswith(OBJECTIVE)}
    rest = {name: value for name, value in values.items() if name not in objectives}
    return objective_metrics({name.removeprefix(OBJECTIVE): value for name, value in objectives.items()}) | keyed(
        rest, metric_names.SEARCH
    )


def failure_metrics(failures: Failures | None) -> dict[str, float]:
    """Return `score/errors`, the number of failed examples; empty without any."""
    return {} if failures is None else {metric_names.ERRORS: float(failures.examples)}


def error_metrics(types: Iterable[str]) -> dict[str, float]:
    """Return `score/errors/<type>`: the number of failed examples by the type of their error.

    Args:
        types: the error's type of each failed example.
    """
    found = Counter(key(f"{metric_names.ERRORS}/{error_type[:_MAX_PART]}") for error_type in types)
    return {name: float(number) for name, number in found.items()}


def score_metric(scope: str | None) -> str:
    """Return the name of a score: sorting by one for all would put minibatches above the best full score."""
    return metric_names.MINIBATCH_SCORE if scope == "minibatch" else metric_names.FULL_SCORE


def objective_metrics(objectives: Mapping[str, float]) -> dict[str, float]:
    """Return `score/objective/<name>`: the means of a metric's further scores."""
    return keyed(objectives, metric_names.OBJECTIVE)


def usage_metrics(usage: Usage) -> dict[str, float]:
    """Return usage by metric name; unknown values are omitted, and zeros of cache hits, roles and models too.

    `usage/<name>/<role>` is a role's part of it, `usage/model/<model>/<name>` a language model's. Models with the same
    key are summed. Without these zeros, no chart is a flat line at 0 where no cache is used.
    """
    numbers = {name: value for name, value in _numbers(usage).items() if value or name != "cache_hits"}
    found = {metric_names.USAGE + name: value for name, value in numbers.items()}
    for role, part in usage.by_role.items():
        found |= {key(f"{metric_names.USAGE}{name}/{role}"): value for name, value in _numbers(part).items() if value}
    models: dict[str, float] = {}
    for model, part in usage.by_model.items():
        for name, value in _numbers(part).items():
            chosen = key(f"{metric_names.MODEL_USAGE}{model[:_MAX_PART]}/{name}")
            models[chosen] = models.get(chosen, 0.0) + value
    return found | {name: value for name, value in models.items() if value}


def partial_usage_metrics(usage: Usage) -> dict[str, float]:
    """Return usage as `usage_metrics` does, without the cost 0 of no calls.

    For a part of a run's usage: calls with an unknown price may follow, and MLflow would keep the 0 as the run's cost.
    """
    found = usage_metrics(usage)
    if not usage.lm_calls and not usage.embedding_calls and not usage.cost:
        found.pop(f"{metric_names.USAGE}cost", None)
    return found


def _numbers(usage: Usage) -> dict[str, float]:
    found = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "lm_calls": usage.lm_calls,
        "cache_hits": usage.cache_hits,
        "cost": usage.cost,
        "unpriced_calls": usage.unpriced_calls,
        "embedding_calls": usage.embedding_calls,
        "late_calls": usage.late_calls,
    }
    return {name: float(value) for name, value in found.items() if value is not None}
