"""Mapping of a compile's datasets to MLflow's evaluation datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.mapping.operations import EvaluationRecord, LogEvaluationDataset

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_dspy.mlflow.mapping.artifacts.tables import Row
    from otel_dspy.mlflow.records.span_records import DatasetRecord

MAX_NAME: Final = 200
"""Maximum characters of the dataset's own name, before its digest."""


def evaluation_dataset(dataset: DatasetRecord, name: str, found: Sequence[Row]) -> Iterator[LogEvaluationDataset]:
    """Log the rows as inputs and expectations, without those that have no inputs.

    Args:
        dataset: the decoded `dataset` span.
        name: the dataset's name in MLflow.
        found: its rows.
    """
    records = tuple(record for row in found if (record := _record(row, dataset.input_fields)).inputs)
    if not records:
        return
    yield LogEvaluationDataset(
        # By content: a compile may validate on its training set.
        key=f"evaluation dataset/{dataset.dataset_id}",
        name=f"{name[:MAX_NAME]} {dataset.dataset_id}",
        dataset_id=dataset.dataset_id,
        records=records,
    )


def _record(row: Row, input_fields: Sequence[str]) -> EvaluationRecord:
    return EvaluationRecord(
        inputs={name: value for name, value in row.items() if name in input_fields},
        expectations={name: value for name, value in row.items() if name not in input_fields},
    )
