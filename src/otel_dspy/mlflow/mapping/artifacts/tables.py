"""Conversion of JSON rows to tables in the layout of `mlflow.log_table`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_dspy.formatting.stop_reasons import is_stop
from otel_dspy.mlflow.mapping import naming
from otel_dspy.mlflow.mapping.artifacts import table_images
from otel_dspy.mlflow.mapping.media_text import readable
from otel_dspy.serialization.json_text import parse_json, readable_json
from otel_dspy.serialization.json_types import is_array, is_mapping, is_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_dspy.mlflow.mapping.operations import LogTable

Row = dict[str, Any]
_FURTHER = ("round", "accepted", "program", "rollout")
"""Columns that an optimizer adds for an example that it ran itself."""
_ID: Final = "example_id"
_PANDAS_INTEGERS: Final = range(-(2**63), 2**64)
"""`pandas.read_json`, and so `mlflow.load_table`, raises for a table with any other integer (pandas 3.1)."""


def rows(text: str | None) -> list[Row] | None:
    """Return the rows of a JSON array of objects; None if the text has another form."""
    found = parse_json(text) if text is not None else None
    return [row for row in found if is_object(row)] if is_array(found) else None


def error_types(found: Sequence[Row]) -> list[str]:
    """Return the type of the error of each example that failed, not of one that was interrupted."""
    return [str(row["error"]) for row in found if row.get("error") and not is_stop(str(row["error"]))]


def dataset_table(fields: Sequence[str], found: Sequence[Row]) -> tuple[list[str], list[list[object]]]:
    """Return columns and rows of a dataset; fields not in `fields` come last.

    Images and integers are as in `result_table`: reports identify examples by their content in both.
    """
    columns = list(fields)
    for row in found:
        columns += [name for name in row if name not in columns]
    data = table_images.with_images([[row.get(name) for name in columns] for row in found])
    return columns, [[_loadable(cell) for cell in row] for row in data]


def result_table(found: Sequence[Row]) -> tuple[list[str], list[list[object]]]:
    """Return columns and rows of an evaluation: index, optimizer's columns, fields, score, objectives, error, id.

    Fields are example_<field> and pred_<field>, an objective is objective/<name>. The id, by which tables and traces
    join, is example_id, unless the examples have a field of that name.

    A column without values is omitted, except index and score. A column in which each cell is an image has images;
    otherwise images, audio and files are short texts. Integers that pandas cannot read are texts.
    """
    flat = [_flat(row) for row in found]
    named = any(_ID in row for row in flat)  # by the user
    names = {name for row in flat for name in row}
    objectives = dict.fromkeys(name for row in flat for name in row if name.startswith(naming.OBJECTIVE))
    first = [name for row in flat for name in row if name.startswith("example_")]
    second = [name for row in flat for name in row if name.startswith("pred_")]
    fields = [*dict.fromkeys(first), *dict.fromkeys(second)]
    order = [
        "index",
        *_FURTHER,
        *fields,
        "score",
        *objectives,
        "error",
        "error_message",
        "feedback",
        *(() if named else ("id",)),
    ]
    columns = [name for name in order if name in names or name in {"index", "score"}]
    data = table_images.with_images([[row.get(name) for name in columns] for row in flat])
    return [_ID if name == "id" else name for name in columns], [
        [_loadable(readable(cell)) for cell in row] for row in data
    ]


def _loadable(value: object) -> object:
    if isinstance(value, int) and value not in _PANDAS_INTEGERS:
        return str(value)
    if is_mapping(value):
        return {name: _loadable(item) for name, item in value.items()}
    if is_array(value):
        return [_loadable(item) for item in value]
    return value


def _flat(row: Row) -> Row:
    flat: Row = {"index": row.get("index"), "score": row.get("score")}
    flat |= {name: row[name] for name in (*_FURTHER, "error", "error_message", "feedback") if row.get(name) is not None}
    flat |= {"id": row["id"]} if "id" in row else {}
    flat |= _objectives(row.get("objectives"))
    for prefix, source in (("example_", "inputs"), ("example_", "labels"), ("pred_", "prediction")):
        flat |= {f"{prefix}{name}": value for name, value in _fields(row.get(source)).items()}
    return flat


def _objectives(value: object) -> Row:
    return {f"{naming.OBJECTIVE}{name}": score for name, score in value.items()} if is_object(value) else {}


def _fields(value: object) -> Mapping[str, object]:
    """Return the fields of an object, or of an object as JSON text; anything else is one field named `value`."""
    if isinstance(value, str):
        value = parse_json(value, {"value": value})
    if value is None:
        return {}
    return value if is_object(value) else {"value": value}


def table_json(table: LogTable, path: str) -> str:
    """Return the text of the artifact at that path."""
    data = [[table_images.cell(path, value) for value in row] for row in table.rows]
    return readable_json({"columns": list(table.columns), "data": data})
