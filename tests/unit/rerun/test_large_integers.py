"""Integers beyond 64 bits, which tables in MLflow have as texts, are integers again in reruns."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from otel_dspy.mlflow.mapping.artifacts.tables import dataset_table, result_table
from otel_dspy.rerun.large_integers import restored_fields, restored_prediction
from otel_dspy.rerun.recorded_trial import recorded_trial
from otel_dspy.serialization.programs import digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BIG = 2**64


@pytest.mark.parametrize(
    "example",
    [
        {"n": BIG, "text": "one"},
        {"n": -(2**63) - 1},
        {"n": str(BIG)},
        {"n": BIG, "id": str(BIG)},
        {"n": str(BIG), "id": BIG},
        {"parts": [{"n": BIG}, {"n": 1}], "n": 2**64 - 1},
        {"n": str(2**64 - 1), "more": BIG},
        {"n": f"0{BIG}"},
    ],
)
def test_fields_are_those_of_the_example(example: Mapping[str, Any]) -> None:
    """Texts that spell such an integer stay texts."""
    columns, (row,) = dataset_table(list(example), [dict(example)])
    assert restored_fields(dict(zip(columns, row, strict=True)), digest(example)) == example


def test_without_its_digest_a_text_stays_a_text() -> None:
    """As where fields were redacted: the digest is that of the original ones."""
    assert restored_fields({"n": str(BIG)}, None) == {"n": str(BIG)}
    assert restored_fields({"n": str(BIG), "key": "[REDACTED]"}, digest({"n": BIG, "key": "secret"})) == {
        "n": str(BIG),
        "key": "[REDACTED]",
    }


def test_predictions_have_integers_where_labels_have_them() -> None:
    """A prediction has no digest; its fields have the types of the labels."""
    label = {"n": 7, "text": "7", "parts": [{"n": BIG}], "other": {"n": 1}}
    text = str(BIG)
    predicted = {"n": text, "text": text, "parts": [{"n": text}, {"n": text}], "other": {"n": text}, "unlabeled": text}
    assert restored_prediction(predicted, label) == {
        "n": BIG,
        "text": text,
        "parts": [{"n": BIG}, {"n": BIG}],
        "other": {"n": BIG},
        "unlabeled": text,
    }


@pytest.mark.parametrize("dataset", [True, False])
def test_examples_of_a_recorded_trial(tmp_path: Path, *, dataset: bool) -> None:
    """With the validation set, and from the result table alone."""
    inputs, labels, predicted = {"q": BIG}, {"a": BIG + 1}, {"a": BIG + 2}
    row = {"index": 0, "id": digest(inputs | labels), "inputs": inputs, "labels": labels, "prediction": predicted}
    _write(tmp_path / "trial" / "result_table.json", *result_table([row | {"score": 1.0}]))
    (tmp_path / "run").mkdir()
    if dataset:
        _write(tmp_path / "run" / "valset.json", *dataset_table(["q", "a"], [inputs | labels]))
    trial = SimpleNamespace(index=0, scope="full")
    run, child = (SimpleNamespace(info=SimpleNamespace(artifact_uri=str(tmp_path / name))) for name in ("run", "trial"))
    found: Any = SimpleNamespace(
        name="a run", run=run, children={0: child}, tracking_uri=f"sqlite:///{tmp_path}/m.db", trials=lambda: [trial]
    )
    (example,) = recorded_trial(found, 0).examples
    assert (example.fields, example.prediction, example.score) == (inputs | labels, predicted, 1.0)


def _write(file: Path, columns: list[str], rows: list[list[object]]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"columns": columns, "data": rows}))
