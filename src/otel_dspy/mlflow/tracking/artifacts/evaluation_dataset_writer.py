"""Writes evaluation datasets to stores that have them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from otel_dspy.mlflow.tracking.store.evaluation_dataset_store import EvaluationDatasetsUnsupportedError
from otel_dspy.mlflow.tracking_uri import without_passwords

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.operations import LogEvaluationDataset
    from otel_dspy.mlflow.tracking.writers.writer_strategy import WriterStrategy

_logger = logging.getLogger(__name__)


class EvaluationDatasetWriter:
    """Evaluation datasets of one experiment."""

    def __init__(self, writer: WriterStrategy) -> None:
        self._writer = writer
        self._unsupported = False

    def write(self, operation: LogEvaluationDataset) -> None:
        """Write the dataset. If the store has no evaluation datasets, log this once at INFO, and write none later."""
        if self._unsupported:
            return
        connection = self._writer.connection
        try:
            connection.store().evaluation_datasets.log(connection.experiment_id(), operation)
        except EvaluationDatasetsUnsupportedError:
            self._unsupported = True
            _logger.info(
                "MLflow at %s has no evaluation datasets: they need MLflow 3.5 or newer and a store in a database",
                without_passwords(connection.destination.tracking_uri),
            )
