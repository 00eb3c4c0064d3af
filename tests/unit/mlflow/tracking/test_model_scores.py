"""The score of an optimization is a metric of its model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow import MlflowClient

from otel_dspy.mlflow.mapping.operations import MetricPoint
from otel_dspy.mlflow.tracking.store.store import Store
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path


def test_models_are_ranked_by_their_scores(tmp_path: Path) -> None:
    """Logged twice it is one value, on the run too, which has logged it itself before."""
    uri = blank_store(tmp_path)
    store, client = Store(uri), MlflowClient(uri)
    experiment_id = store.experiment_id("E")
    for name, value in (("low", 40.0), ("high", 60.0), ("none", float("nan"))):
        run_id = client.create_run(experiment_id).info.run_id
        model = store.models.create_model(experiment_id, run_id, name, {})
        point = MetricPoint("score/best", value, 3, 1000)
        store.log_run(run_id, {}, [point], {})
        for _ in range(2):
            store.models.log_score(run_id, model.id, point)
        assert len(client.get_metric_history(run_id, "score/best")) == 1
    found = client.search_logged_models(
        [experiment_id], order_by=[{"field_name": "metrics.score/best", "ascending": False}]
    )
    ranked = [(model.name, [(metric.key, metric.value) for metric in model.metrics or ()]) for model in found]
    assert ranked == [("high", [("score/best", 60.0)]), ("low", [("score/best", 40.0)]), ("none", [])]
