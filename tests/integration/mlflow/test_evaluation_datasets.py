"""Training and validation sets of optimizations as evaluation datasets, which a setting asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import dspy
import mlflow
import pytest
from mlflow.genai import datasets as mlflow_datasets

import otel_dspy.mlflow
from tests.integration.end_to_end.conftest import tracked
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.blank_store import blank_store
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from pathlib import Path

EXPERIMENT = "with evaluation datasets"


def stored(uri: str) -> dict[str, list[tuple[Any, Any]]]:
    """Records by the first word of the dataset's name."""
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    found = mlflow_datasets.search_datasets([experiment.experiment_id])
    records = {one.name.split()[0]: _in_order(cast("Any", one).to_df().to_dict("records")) for one in found}
    assert len(records) == len(found)
    return records


def _in_order(rows: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    """Inputs and expectations by question: MLflow keeps no order."""
    return sorted(((row["inputs"], row["expectations"]) for row in rows), key=lambda pair: pair[0]["question"])


def pairs(chosen: list[dspy.Example]) -> list[tuple[Any, Any]]:
    """Inputs and expectations of examples."""
    return [({"question": one["question"]}, {"answer": one["answer"]}) for one in chosen]


def test_on_a_server_twice(server_uri: str) -> None:
    """Both sets with the examples' own inputs and labels; a second optimization on the same data adds nothing."""
    trainset, valset = examples(2), examples(5)[2:]
    otel_dspy.mlflow.autolog(tracking_uri=server_uri, experiment=EXPERIMENT, log_evaluation_datasets=True)
    try:
        for _ in range(2):
            with dspy.context(lm=addition_lm()):
                search: Any = dspy.BootstrapFewShotWithRandomSearch(metric=exact, num_threads=1)
                search.compile(dspy.Predict("question -> answer"), trainset=trainset, valset=valset, restrict=[-3, -2])
    finally:
        otel_dspy.mlflow.autolog(disable=True)
    assert stored(server_uri) == {"trainset": pairs(trainset), "valset": pairs(valset)}


def test_who_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Off by default; the environment decides, unless the argument is given."""
    uri = blank_store(tmp_path)

    def compiled(size: int, *, argument: bool | None) -> None:
        otel_dspy.mlflow.autolog(tracking_uri=uri, experiment=EXPERIMENT, log_evaluation_datasets=argument)
        try:
            optimizer: Any = dspy.LabeledFewShot(k=1)
            optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(size))
        finally:
            otel_dspy.mlflow.autolog(disable=True)

    compiled(1, argument=None)
    assert stored(uri) == {}
    monkeypatch.setenv("OTEL_DSPY_MLFLOW_EVALUATION_DATASETS", "true")
    compiled(2, argument=False)
    assert stored(uri) == {}
    compiled(3, argument=None)
    assert stored(uri) == {"trainset": pairs(examples(3))}


def test_the_digest_of_a_runs_data_set_is_that_of_its_examples(tmp_path: Path) -> None:
    """Optimizations on equal examples have one, and on fewer of them another one."""
    uri = blank_store(tmp_path)
    otel_dspy.mlflow.autolog(tracking_uri=uri, experiment=EXPERIMENT, log_evaluation_datasets=True)
    try:
        for size in (3, 3, 2):
            optimizer: Any = dspy.LabeledFewShot(k=1)
            optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(size))
    finally:
        otel_dspy.mlflow.autolog(disable=True)
    first, second, smaller = [[digest for _, _, digest in run.inputs] for run in read_tree(uri, EXPERIMENT).runs]
    assert first == second != smaller
    assert len(first) == len(smaller) == 1


@pytest.mark.parametrize(("label", "other"), [(True, False), (["yes"], ["no"]), ({"is": "yes"}, {"is": "no"})], ids=str)
def test_labels_of_any_type_count_in_the_digest(tmp_path: Path, label: object, other: object) -> None:
    """Also those that MLflow leaves out of the digest of a data frame."""
    uri = blank_store(tmp_path)
    with tracked(uri, EXPERIMENT):
        for answer in (label, other):
            trainset = [dspy.Example(question="Is 4 even?", answer=answer).with_inputs("question")]
            optimizer: Any = dspy.LabeledFewShot(k=1)
            optimizer.compile(dspy.Predict("question -> answer"), trainset=trainset)
    first, second = [[digest for _, _, digest in run.inputs] for run in read_tree(uri, EXPERIMENT).runs]
    assert len(first) == len(second) == 1
    assert first != second
