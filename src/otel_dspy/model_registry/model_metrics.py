"""Metrics of a LoggedModel, linked to the digest of the dataset that they were measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from otel_dspy.mlflow.mapping.naming import DATASET_ROLE
from otel_dspy.mlflow.records.metric_names import BEST_SCORE

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def log_score(client: MlflowClient, run: Run, model_id: str) -> dict[str, float]:
    """Log the best score of a run as a metric of the model; return what was logged, by name.

    The validation set is that of the run's dataset inputs; the training set where the optimizer has no other.

    Args:
        client: client of the store.
        run: the optimization's run.
        model_id: id of the model.
    """
    name = BEST_SCORE
    if name not in run.data.metrics:
        return {}
    inputs = run.inputs.dataset_inputs if run.inputs is not None else []
    datasets = {tag.value: found.dataset for found in inputs for tag in found.tags if tag.key == DATASET_ROLE}
    dataset = datasets.get("validation") or datasets.get("train")
    # The same point again, so that the run's own metric does not change.
    point = client.get_metric_history(run.info.run_id, name)[-1]
    given: dict[str, Any] = {} if dataset is None else {"dataset_name": dataset.name, "dataset_digest": dataset.digest}
    existing = [one for one in client.get_logged_model(model_id).metrics or [] if one.key == name]
    if not any(one.dataset_digest == given.get("dataset_digest") for one in existing):
        # The recording gives the model its score without a dataset. A store rejects a second point with the same time.
        time_ms = max([point.timestamp, *(one.timestamp + 1 for one in existing)])
        cast("Any", client).log_metric(
            run.info.run_id, name, point.value, time_ms, point.step, model_id=model_id, **given
        )
    return {name: float(point.value)}
