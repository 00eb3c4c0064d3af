"""LoggedModels in MLflow's tracking store."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, cast

from mlflow.entities import Metric

from otel_dspy.mlflow.tracking.requests.answered_id import answered_id
from otel_dspy.mlflow.tracking.requests.ignored_error import IgnoredError
from otel_dspy.mlflow.tracking.store import capabilities

if TYPE_CHECKING or (capabilities.MODELS and capabilities.TRACES):
    from otel_dspy.mlflow.tracking.store.traces import trace_entities

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow.entities import LoggedModel

    from otel_dspy.mlflow.mapping.operations import MetricPoint


@dataclass(frozen=True, slots=True)
class FoundModel:
    """An existing LoggedModel."""

    id: str
    artifact_uri: str
    ready: bool


class ModelStore:
    """LoggedModels of one tracking store. Every method may raise errors of MLflow and its transports."""

    def __init__(self, store: Any) -> None:  # noqa: ANN401 - MLflow's AbstractStore, which it types in part
        self._store = store

    def of_run(self, run_id: str) -> list[str]:
        """Return the ids of the models among the run's outputs."""
        outputs = self._store.get_run(run_id).outputs
        return [str(found.model_id) for found in outputs.model_outputs] if outputs and outputs.model_outputs else []

    def models_of(self, experiment_id: str, run_id: str, name: str) -> list[FoundModel]:
        """Return the LoggedModels of that name that the run created.

        Args:
            experiment_id: the experiment's id.
            run_id: the run's id.
            name: the models' name.
        """
        wanted = f"source_run_id = '{run_id}' AND name = '{name}'"
        return [_found_model(model) for model in self._store.search_logged_models([experiment_id], wanted)]

    def create_model(self, experiment_id: str, run_id: str, name: str, tags: Mapping[str, str]) -> FoundModel:
        """Create a LoggedModel, PENDING.

        Args:
            experiment_id: the experiment's id.
            run_id: the run that the model is an output of.
            name: the model's name.
            tags: its tags.
        """
        model_tags = trace_entities.model_tags(tags)
        return _found_model(self._store.create_logged_model(experiment_id, name, run_id, model_tags, None, "dspy"))

    def delete_model(self, model_id: str) -> None:
        """Delete a LoggedModel; no-op if it is deleted already."""
        with IgnoredError("RESOURCE_DOES_NOT_EXIST"):
            self._store.delete_logged_model(model_id)

    def finish_model(self, model_id: str) -> None:
        """Set the model's status to READY."""
        self._store.finalize_logged_model(model_id, trace_entities.READY)

    def link_model(self, run_id: str, model_id: str) -> None:
        """Log the model as an output of the run, once."""
        if model_id not in self.of_run(run_id):
            self._store.log_outputs(run_id, [trace_entities.model_output(model_id)])

    def log_score(self, run_id: str, model_id: str, point: MetricPoint) -> None:
        """Log a metric of the run as the model's, where the store has metrics of models. Repeating it changes nothing.

        Args:
            run_id: the run that has the metric.
            model_id: the model.
            point: the run's own value.
        """
        if capabilities.MODEL_METRICS and isfinite(point.value):
            metric = cast("Any", Metric)(point.name, point.value, point.time_ms, point.step, model_id=model_id)
            self._store.log_batch(run_id, [metric], [], [])


def _found_model(model: LoggedModel) -> FoundModel:
    model_id = answered_id(model.model_id, "model")
    return FoundModel(model_id, str(model.artifact_location), model.status == trace_entities.READY)
