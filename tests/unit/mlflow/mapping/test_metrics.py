"""Names and values of a run's metrics."""

from __future__ import annotations

from otel_dspy.mlflow.mapping import metrics
from otel_dspy.mlflow.records.span_records import Usage


def test_usage_by_role_and_model() -> None:
    """Each number that is known, under its name, its role's and its model's; models with one key are summed."""
    used = Usage(
        input_tokens=10,
        output_tokens=20,
        lm_calls=3,
        cache_hits=1,
        cost=0.5,
        unpriced_calls=0,
        embedding_calls=4,
        late_calls=2,
        by_role={"task": Usage(lm_calls=2), "judge?": Usage(cost=0.25)},
        by_model={
            "openai/gpt": Usage(input_tokens=10, cost=0.5),
            "own@1": Usage(lm_calls=1, cost=0.25),
            "own?1": Usage(lm_calls=2),
            "m" * 201: Usage(lm_calls=1),
        },
    )
    assert metrics.usage_metrics(used) == {
        "usage/input_tokens": 10.0,
        "usage/output_tokens": 20.0,
        "usage/lm_calls": 3.0,
        "usage/cache_hits": 1.0,
        "usage/cost": 0.5,
        "usage/unpriced_calls": 0.0,
        "usage/embedding_calls": 4.0,
        "usage/late_calls": 2.0,
        "usage/lm_calls/task": 2.0,
        "usage/cost/judge_": 0.25,
        "usage/model/openai/gpt/input_tokens": 10.0,
        "usage/model/openai/gpt/cost": 0.5,
        "usage/model/own_1/lm_calls": 3.0,
        "usage/model/own_1/cost": 0.25,
        f"usage/model/{'m' * 200}/lm_calls": 1.0,
    }
    assert metrics.usage_metrics(Usage(lm_calls=0, cache_hits=0)) == {"usage/lm_calls": 0.0}
    assert metrics.usage_metrics(Usage()) == {}


def test_measures_and_objectives() -> None:
    """What the optimizer measures is `search/…`; the means of a metric's further scores are beside the score."""
    measured = {"objective/recall": 0.5, "val objective/x": 0.75, "loss": 0.25}
    assert metrics.measures(measured) == {
        "score/objective/recall": 0.5, "search/val objective/x": 0.75, "search/loss": 0.25
    }  # fmt: skip
