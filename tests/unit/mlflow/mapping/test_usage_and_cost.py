"""Tokens and cost in MLflow: of a trace, a run, a model, a role, and unknown prices."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mlflow.utils import validation

from otel_dspy.mlflow.mapping.operations import (
    LogMetrics,
    LogText,
)
from otel_dspy.mlflow.mapping.trace_operations import LogSpan
from tests.support.mapped_spans import (
    IDENTITY,
    IDENTITY_ENDED,
    only,
    operations_of,
)


def test_a_cache_hit_costs_nothing_in_its_trace_either() -> None:
    """Its cost of 0 is logged, else MLflow would apply its own price to its tokens."""
    operations = operations_of("chat", dspy__lm__cost=0.0)
    cost = {"input_cost": 0.0, "output_cost": 0.0, "total_cost": 0.0}
    assert only(operations, LogSpan).attributes["mlflow.llm.cost"] == cost


@pytest.mark.parametrize(
    ("attributes_set", "model"),
    [
        ({"dspy__lm__cache_hit": False}, "gpt-2026"),
        ({"dspy__lm__cache_hit": False, "dspy__lm__cost": 0.0}, None),
        ({"dspy__lm__cache_hit": False, "dspy__lm__cost": 0.5}, None),
        ({}, None),
    ],
)
def test_only_a_call_without_a_price_is_kept_from_mlflows(attributes_set: dict[str, Any], model: str | None) -> None:
    """Other libraries' calls, and those with a cost, are logged unchanged."""
    models = {"gen_ai__request__model": "gpt", "gen_ai__response__model": "gpt-2026"}
    logged = only(operations_of("chat", **models, **attributes_set), LogSpan)
    assert logged.unpriced_model == model
    assert "mlflow.llm.model" not in logged.attributes


def test_an_unknown_price_stays_unknown() -> None:
    """No cost on the run, and the number of calls without one."""
    used = operations_of("compile", **IDENTITY, dspy__usage__lm_calls=2, dspy__usage__unpriced_calls=1)
    values = {point.name: point.value for point in only(used, LogMetrics).metrics}
    assert values == {"usage/lm_calls": 2.0, "usage/unpriced_calls": 1.0}


def test_parts_by_model_are_metrics_whatever_the_models_are_called() -> None:
    """Keys are valid for MLflow; models with the same key are summed."""
    names = ["openai/gpt-4.1", "vertex_ai/claude@1", "vertex_ai/claude?1", "openai/role.judge", "//etc/../x", "m" * 300]
    parts: dict[str, Any] = {f"dspy__usage__model__{name}__lm_calls": 1 for name in names}
    used = operations_of("compile", **IDENTITY, **parts)
    values = {point.name: point.value for point in only(used, LogMetrics).metrics}
    assert values == {
        "usage/model/openai/gpt-4.1/lm_calls": 1.0,
        "usage/model/vertex_ai/claude_1/lm_calls": 2.0,
        "usage/model/openai/role.judge/lm_calls": 1.0,
        "usage/model/etc/x/lm_calls": 1.0,
        f"usage/model/{'m' * 200}/lm_calls": 1.0,
    }
    mlflow: Any = validation  # whose functions are annotated in part only
    for name in values:
        mlflow._validate_metric_name(name)


def test_the_summary_has_the_parts_by_role_and_by_model() -> None:
    """Of a priced and of an unpriced model: the cost of the one, and how many calls of the other have none."""
    parts: dict[str, Any] = {
        "dspy__usage__role__task__lm_calls": 3,
        "dspy__usage__model__openai/gpt-4.1__cost": 0.5,
        "dspy__usage__model__openai/gpt-4.1__lm_calls": 1,
        "dspy__usage__model__own__lm_calls": 2,
        "dspy__usage__model__own__unpriced_calls": 2,
    }
    ended = operations_of("compile", **IDENTITY_ENDED, dspy__usage__cost=0.5, dspy__usage__unpriced_calls=2, **parts)
    [text] = [found.text for found in ended if isinstance(found, LogText) and "summary" in found.path]
    usage = json.loads(text)["usage"]
    assert (usage["cost"], usage["unpriced_calls"], list(usage["by_role"])) == (0.5, 2, ["task"])
    assert usage["by_model"] == {
        "openai/gpt-4.1": {"input_tokens": None, "output_tokens": None, "lm_calls": 1, "cost": 0.5},
        "own": {"input_tokens": None, "output_tokens": None, "lm_calls": 2, "cost": None, "unpriced_calls": 2},
    }


def test_nested_names_of_parts_are_read_once() -> None:
    """A crafted span with deeply nested names does not take longer than any other."""
    names: dict[str, Any] = {
        f"dspy.usage.model.{'model.' * depth}lm_calls".replace(".", "__"): 1 for depth in range(1, 31)
    }
    used = operations_of("compile", **IDENTITY, **names)
    assert len(only(used, LogMetrics).metrics) == 30


def test_calls_after_the_end_are_a_metric_of_the_run() -> None:
    """The compile's calls that ended after their trial."""
    used = operations_of("compile", **IDENTITY, dspy__usage__lm_calls=9, dspy__usage__late_calls=3)
    values = {point.name: point.value for point in only(used, LogMetrics).metrics}
    assert values == {"usage/lm_calls": 9.0, "usage/late_calls": 3.0}
