"""Evaluation datasets in MLflow's tracking store, which databases have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mlflow.exceptions import MlflowException

from otel_dspy import semconv as sc
from otel_dspy.mlflow.tracking.requests.answered_id import answered_id
from otel_dspy.mlflow.tracking.store import capabilities

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.operations import LogEvaluationDataset

COMPLETE: Final = "otel_dspy.records"
"""Tag of a dataset that has all its records; the value is the number of examples."""
_UNSUPPORTED: Final = frozenset({"NOT_IMPLEMENTED", "ENDPOINT_NOT_FOUND", "FEATURE_DISABLED"})


class EvaluationDatasetsUnsupportedError(Exception):
    """The store has no evaluation datasets."""


class EvaluationDatasetStore:
    """Evaluation datasets of one tracking store. Every method may raise errors of MLflow and its transports."""

    def __init__(self, store: Any) -> None:  # noqa: ANN401 - MLflow's AbstractStore, which it types in part
        self._store = store

    def log(self, experiment_id: str, dataset: LogEvaluationDataset) -> None:
        """Create the dataset in the experiment, or add the existing one of the same content to it.

        Args:
            experiment_id: the experiment's id.
            dataset: the dataset; its records are written once.

        Raises:
            EvaluationDatasetsUnsupportedError: the installed MLflow or this store has no evaluation datasets.
            MlflowException: the store rejected the dataset for another reason.
            NoIdError: the answer is not MLflow's.
        """
        if not capabilities.EVALUATION_DATASETS:
            raise EvaluationDatasetsUnsupportedError
        try:
            self._log(experiment_id, dataset)
        except NotImplementedError as error:
            raise EvaluationDatasetsUnsupportedError from error
        except MlflowException as error:
            if error.error_code in _UNSUPPORTED:
                raise EvaluationDatasetsUnsupportedError from error
            raise

    def _log(self, experiment_id: str, dataset: LogEvaluationDataset) -> None:
        same = f"name LIKE '% {dataset.dataset_id}'"
        found: Any = next(iter(self._store.search_datasets(None, same, 1, ["created_time ASC"])), None)
        exists = found is not None
        if not exists:
            found = self._create(experiment_id, dataset)
        dataset_id = answered_id(getattr(found, "dataset_id", None), "evaluation dataset")
        if exists and experiment_id not in self._store.get_dataset_experiment_ids(dataset_id):
            self._store.add_dataset_to_experiments(dataset_id, [experiment_id])
        if COMPLETE not in (found.tags or {}):
            records = [{"inputs": record.inputs, "expectations": record.expectations} for record in dataset.records]
            self._store.upsert_dataset_records(dataset_id, records)
            self._store.set_dataset_tags(dataset_id, {COMPLETE: str(len(records))})

    def _create(self, experiment_id: str, dataset: LogEvaluationDataset) -> Any:  # noqa: ANN401 - MLflow's entity
        """Return the new dataset; None if the answer has none.

        Raises:
            AttributeError: the store lacks something else.
        """
        create, tags = self._store.create_dataset, {sc.DSPY_DATASET_ID: dataset.dataset_id}
        try:
            return create(dataset.name, tags, [experiment_id])
        except AttributeError as error:
            # MLflow's client makes an entity of `{}`, which fails because it has no digest.
            if type(error.obj).__name__ != "EvaluationDataset":
                raise
            return None
