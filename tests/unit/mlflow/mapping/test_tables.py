"""Tables of datasets and results."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pandas as pd
import pytest

from otel_dspy.mlflow.mapping.artifacts.tables import dataset_table, result_table, rows, table_json
from otel_dspy.mlflow.mapping.operations import LogTable
from otel_dspy.mlflow.mapping.run_keys import CompileRun


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, None),
        ("[cut", None),
        ('{"a": 1}', None),
        ("[]", []),
        ('[{"a": 1}, "text", null, {}]', [{"a": 1}, {}]),
    ],
)
def test_rows_of_a_text(text: str | None, found: Any) -> None:
    """The objects of a JSON array; None where the text is none."""
    assert rows(text) == found


def test_a_datasets_fields_come_in_their_own_order() -> None:
    """Then those that only some rows have, once each and in the order in which they appear."""
    found = [{"b": 1, "x": 2}, {"a": 3, "y": 4, "x": 5}]
    assert dataset_table(("a", "b"), found) == (
        ["a", "b", "x", "y"],
        [[None, 1, 2, None], [3, None, 5, 4]],
    )
    assert dataset_table((), []) == ([], [])


def test_all_columns_of_a_result_table() -> None:
    """Index, what the optimizer adds, inputs, labels, prediction, score, objectives, error, feedback."""
    row = {
        "feedback": "close",
        "error_message": "no verdict",
        "error": "ValueError",
        "objectives": {"recall": 0.5, "speed": 1},
        "score": 0.25,
        "prediction": {"answer": "3"},
        "labels": {"answer": "2"},
        "inputs": {"question": "1+1"},
        "rollout": 4,
        "program": 3,
        "accepted": False,
        "round": 1,
        "index": 7,
    }
    assert result_table([row]) == (
        [
            "index", "round", "accepted", "program", "rollout", "example_question", "example_answer", "pred_answer",
            "score", "objective/recall", "objective/speed", "error", "error_message", "feedback",
        ],
        [[7, 1, False, 3, 4, "1+1", "2", "3", 0.25, 0.5, 1, "ValueError", "no verdict", "close"]],
    )  # fmt: skip


def test_rows_of_a_result_table_that_differ() -> None:
    """Columns that any row has; where a row lacks one the cell is empty."""
    found = [
        {"index": 0, "inputs": {"b": 1}, "prediction": {"p": 1}, "objectives": {"o": 1}, "round": None},
        {"index": 1, "score": 1.0, "inputs": {"a": 2, "b": 3}, "prediction": {"q": 2}, "objectives": {"n": 2, "o": 3}},
    ]
    assert result_table(found) == (
        ["index", "example_b", "example_a", "pred_p", "pred_q", "score", "objective/o", "objective/n"],
        [[0, 1, None, 1, None, None, 1, None], [1, 3, 2, None, 2, 1.0, 3, 2]],
    )
    assert result_table([]) == (["index", "score"], [])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"a": 1}, {"example_a": 1}),
        ('{"a": 1}', {"example_a": 1}),
        ("plain text", {"example_value": "plain text"}),
        ('["a"]', {"example_value": ["a"]}),
        (7, {"example_value": 7}),
        ("null", {}),
        (None, {}),
    ],
)
def test_fields_of_a_row(fields: Any, expected: dict[str, Any]) -> None:
    """An object's fields, be it JSON text or not; what is no object is one field named `value`."""
    columns, data = result_table([{"index": 0, "inputs": fields, "objectives": "none"}])
    found = dict(zip(columns, data[0], strict=True))
    assert found == {"index": 0, "score": None, **expected}


def test_the_text_of_a_table() -> None:
    """In the layout of `mlflow.log_table`, readable in any language."""
    table = LogTable(
        key="k", run=CompileRun("c"), path="p.json", columns=("a", "é"), rows=((1, "ü"), (None, 2.5)), start_ms=0
    )
    text = table_json(table, table.path)
    assert text == '{"columns": ["a", "é"], "data": [[1, "ü"], [null, 2.5]]}'
    assert json.loads(text)["data"][1] == [None, 2.5]


def test_texts_of_a_thousand_brackets() -> None:
    """Rows nested too deeply to be walked are no table; such a text in a cell stays a text. Neither raises."""
    deep = "[" * 1_000 + "]" * 1_000
    assert rows(deep) is None
    assert result_table([{"index": 0, "inputs": deep, "score": 1.0}]) == (
        ["index", "example_value", "score"],
        [[0, deep, 1.0]],
    )


def test_the_id_joins_tables_and_traces() -> None:
    """It is the last column, except where a field of the user's has its name."""
    rows = [{"index": 4, "id": "9729aa89b94db2a3", "score": 1.0, "inputs": {"q": "?"}}]
    assert result_table(rows) == (["index", "example_q", "score", "example_id"], [[4, "?", 1.0, "9729aa89b94db2a3"]])
    own = [{"index": 4, "id": "9729aa89b94db2a3", "score": 1.0, "inputs": {"id": 7}}]
    assert result_table(own) == (["index", "example_id", "score"], [[4, 7, 1.0]])


def test_integers_that_pandas_cannot_read_are_texts() -> None:
    """Also within a structured answer; `mlflow.load_table` raises for a table with one as a number."""
    least, most = -(2**63), 2**64 - 1
    numbers = [least - 1, least, most, most + 1]
    columns, data = result_table([{"index": 0, "prediction": {"n": n, "parts": [{"n": n}]}} for n in numbers])
    texts = [str(least - 1), least, most, str(most + 1)]
    assert [dict(zip(columns, row, strict=True))["pred_n"] for row in data] == texts
    table = LogTable(
        key="k", run=CompileRun("c"), path="p.json", columns=tuple(columns), rows=tuple(map(tuple, data)), start_ms=0
    )
    read: Any = pd.read_json(StringIO(table_json(table, table.path)), orient="split")
    assert list(read["pred_parts"]) == [[{"n": n}] for n in texts]


def test_an_example_has_the_same_content_in_datasets_and_results() -> None:
    """Reports identify the rows of a result table with the examples of the validation set by it."""
    examples: list[dict[str, Any]] = [{"q": 2**64, "parts": [{"n": -(2**63) - 1}]}, {"q": 7, "parts": []}]
    _, dataset = dataset_table(["q", "parts"], examples)
    columns, results = result_table([{"index": index, "inputs": given} for index, given in enumerate(examples)])
    by_name = [dict(zip(columns, row, strict=True)) for row in results]
    assert dataset == [[row["example_q"], row["example_parts"]] for row in by_name]
    assert dataset == [[str(2**64), [{"n": str(-(2**63) - 1)}]], [7, []]]
