"""Evaluation datasets in a real store: one for the same data, whatever is delivered twice."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

import mlflow
from mlflow.genai import datasets as mlflow_datasets

from otel_dspy.mlflow.mapping.operations import EvaluationRecord, LogEvaluationDataset
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.operation_applier import OperationApplier
from otel_dspy.mlflow.tracking.writers.exclusive_writer import ExclusiveWriter
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

DATASET = LogEvaluationDataset(
    key="d", name="trainset 0123456789abcdef", dataset_id="0123456789abcdef",
    records=(
        EvaluationRecord({"question": "1+1"}, {"answer": "2"}),
        EvaluationRecord({"question": "2+2"}, {"answer": "4"}),
    ),
)  # fmt: skip


def apply(uri: str, *operations: LogEvaluationDataset, experiment: str = "E") -> OperationApplier:
    """Apply the operations as a process of its own would."""
    applier = OperationApplier(ExclusiveWriter(Destination(uri, Experiment(name=experiment)), threading.Event()))
    for operation in operations:
        applier.apply(operation)
    applier.send_all()
    return applier


def datasets(uri: str) -> list[tuple[str, list[str], list[tuple[Any, Any]]]]:
    """Name, experiments and records of each dataset."""
    mlflow.set_tracking_uri(uri)
    names = {found.experiment_id: found.name for found in mlflow.search_experiments()}
    return [
        (
            found.name,
            sorted(names[one] for one in found.experiment_ids),
            _in_order(cast("Any", found).to_df().to_dict("records")),
        )
        for found in sorted(mlflow_datasets.search_datasets(), key=lambda one: one.name, reverse=True)
    ]


def _in_order(rows: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    """Inputs and expectations by question: MLflow keeps no order."""
    return sorted(((row["inputs"], row["expectations"]) for row in rows), key=lambda pair: pair[0]["question"])


EXPECTED = [({"question": "1+1"}, {"answer": "2"}), ({"question": "2+2"}, {"answer": "4"})]


def test_the_same_data_is_one_dataset(tmp_path: Path) -> None:
    """Twice in a process, in another one, in another experiment, and under another name."""
    uri = blank_store(tmp_path)
    apply(uri, DATASET, DATASET)
    assert datasets(uri) == [(DATASET.name, ["E"], EXPECTED)]
    valset = LogEvaluationDataset(
        key="v", name="valset 0123456789abcdef", dataset_id=DATASET.dataset_id, records=DATASET.records
    )
    assert apply(uri, valset, experiment="F").done == 1
    assert datasets(uri) == [(DATASET.name, ["E", "F"], EXPECTED)]
    other = LogEvaluationDataset(
        key="o", name="trainset fedcba9876543210", dataset_id="fedcba9876543210", records=DATASET.records[:1]
    )
    apply(uri, other)
    assert datasets(uri) == [(other.name, ["E"], EXPECTED[:1]), (DATASET.name, ["E", "F"], EXPECTED)]


def test_records_that_were_not_written_are_added(tmp_path: Path) -> None:
    """A process that ended between the dataset and its records; what the user changes afterwards is kept."""
    uri = blank_store(tmp_path)
    mlflow.set_tracking_uri(uri)
    created = mlflow_datasets.create_dataset(DATASET.name, mlflow.create_experiment("E"))
    apply(uri, DATASET)
    assert datasets(uri) == [(DATASET.name, ["E"], EXPECTED)]
    changed = [{"inputs": {"question": "1+1"}, "expectations": {"answer": "two"}}]
    created.merge_records(changed)
    apply(uri, DATASET)
    assert datasets(uri) == [(DATASET.name, ["E"], [({"question": "1+1"}, {"answer": "two"}), EXPECTED[1]])]


def test_a_store_without_datasets(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files: one line at INFO, and nothing counts as lost."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    caplog.set_level("INFO", logger="otel_dspy.mlflow")
    applier = apply((tmp_path / "files").as_uri(), DATASET, DATASET)
    assert (applier.done, applier.lost, applier.failed) == (2, 0, 0)
    [record] = [record for record in caplog.records if record.name.startswith("otel_dspy.mlflow.tracking.artifacts")]
    assert record.levelname == "INFO"
    assert record.getMessage().startswith(f"MLflow at {(tmp_path / 'files').as_uri()} has no evaluation datasets: ")
