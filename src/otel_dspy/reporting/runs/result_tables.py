"""Conversion of result tables and the validation set to examples and their results."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.formatting.stop_reasons import is_stop
from otel_dspy.reporting.compile_result import Example, ExampleResult
from otel_dspy.reporting.runs.summary_rows import mapping, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

RESULT_TABLES: Final = ("result_table.json", "result_table_candidate.json")
"""Artifacts of a trial. The second is GEPA's, of the candidates that it scored on a minibatch only."""
_EXAMPLE: Final = "example_"
_PREDICTION: Final = "pred_"
_ID: Final = "id"
"""Field of the column `example_id` of a result table: an example's digest, unless the examples have such a field."""
_DIGEST: Final = re.compile(r"[0-9a-f]{16}")


def table_rows(found: object) -> list[dict[str, Any]]:
    """Return the rows of an artifact in the layout of `mlflow.log_table`; empty if it has another layout."""
    table = mapping(found)
    columns, data = table.get("columns"), table.get("data")
    if not isinstance(columns, list) or not isinstance(data, list):
        return []
    names = [str(name) for name in cast("list[object]", columns)]
    return [
        dict(zip(names, cast("list[Any]", row), strict=False))
        for row in cast("list[object]", data)
        if isinstance(row, list)
    ]


@dataclass(frozen=True)
class Table:
    """A result table of one trial."""

    rows: list[dict[str, Any]]
    full: bool
    """Whether it has the whole validation set, in its order."""


class ExampleIndex:
    """Identifies the rows of all result tables with the examples of the validation set, by content.

    Where no row is identified by content, because that is not recorded or is an image, rows are identified by the
    digests of their examples, as full evaluations have them. Without digests, which earlier versions did not record,
    the rows of a full evaluation are identified by position, those of a minibatch not at all.

    Args:
        validation: rows of the validation set; empty if it was not recorded.
        tables: the trials' result tables.
    """

    def __init__(self, validation: Iterable[Mapping[str, Any]], tables: Iterable[Table]) -> None:
        tables = list(tables)
        self.predicted = {
            name.removeprefix(_PREDICTION)
            for table in tables
            for row in table.rows
            for name in row
            if name.startswith(_PREDICTION)
        }
        """Names of the predicted fields."""
        self._known: dict[tuple[str, int], str] = {}
        self._fields: dict[str, Mapping[str, Any]] = {}
        occurrences = Counter[str]()
        for position, row in enumerate(validation):
            key = _content_key(row)
            self._known[key, occurrences[key]] = str(position)
            self._fields[str(position)] = row
            occurrences[key] += 1
        if not self._fields:
            self._collect(tables)
        self._digests = self._positions(tables)

    def _collect(self, tables: Iterable[Table]) -> None:
        """Collect the examples of full evaluations, where the validation set is not recorded."""
        for table in tables:
            for row in table.rows if table.full else []:
                fields = _fields(row)
                key = _content_key(fields)
                position = str(row.get("index"))
                if position not in self._fields:
                    if fields:
                        self._known[key, sum(known == key for known, _ in self._known)] = position
                    self._fields[position] = fields

    def _positions(self, tables: Iterable[Table]) -> dict[tuple[str, int], str]:
        """Return the positions of the examples of full evaluations, by digest and by its occurrence."""
        found: dict[tuple[str, int], str] = {}
        for table in tables:
            for key, row in _digested(table) if table.full else ():
                position = str(row.get("index"))
                if position in self._fields:
                    found.setdefault(key, position)
        return found

    def examples(self) -> tuple[Example, ...]:
        """Return the examples in the order of the validation set."""
        return tuple(
            Example(
                position,
                inputs={name: value for name, value in fields.items() if name not in self.predicted},
                labels={name: value for name, value in fields.items() if name in self.predicted},
            )
            for position, fields in self._fields.items()
        )

    def results(self, table: Table) -> tuple[ExampleResult, ...]:
        """Return the results of the rows that were identified.

        An example that was interrupted has none, nor one whose score is NaN: its row has neither score nor error.
        """
        every = ((_result(example, row), number(row.get("score"))) for example, row in self._identified(table).items())
        return tuple(
            result
            for result, score in every
            if not is_stop(result.error) and (score is not None or result.error is not None)
        )

    def digests(self, table: Table) -> dict[str, str]:
        """Return `dspy.example.id` of the examples of a table, by their position, as far as it is recorded."""
        return {
            example: digest
            for example, row in self._identified(table).items()
            if isinstance(digest := row.get(_EXAMPLE + _ID), str) and _DIGEST.fullmatch(digest)
        }

    def stored_results(self, scores: Iterable[Mapping[str, Any]]) -> tuple[ExampleResult, ...]:
        """Return the results of a candidate that GEPA restored from a checkpoint: scores without predictions.

        Args:
            scores: rows of the trial's `scores.json`. GEPA identifies validation examples by their position.
        """
        return tuple(
            ExampleResult(position, score)
            for row in scores
            if row.get("on") == "validation"
            and (position := str(row.get(_ID))) in self._fields
            and (score := number(row.get("score"))) is not None
        )

    def _identified(self, table: Table) -> Mapping[str, Mapping[str, Any]]:
        """Return the rows of a table by the position of their example."""
        # Images are files with other names in each table; without content there is nothing to compare.
        found: Mapping[str, Mapping[str, Any]] = self._by_content(table) or self._by_digest(table)
        if not found and table.full and len(table.rows) == len(self._fields):
            found = {str(row.get("index")): row for row in table.rows if str(row.get("index")) in self._fields}
        return found

    def _by_content(self, table: Table) -> dict[str, Mapping[str, Any]]:
        occurrences = Counter[str]()
        found: dict[str, Mapping[str, Any]] = {}
        for row in table.rows:
            fields = _fields(row)
            key = _content_key(fields)
            example = self._known.get((key, occurrences[key])) if fields else None
            occurrences[key] += 1
            if example is not None:
                found[example] = row
        return found

    def _by_digest(self, table: Table) -> dict[str, Mapping[str, Any]]:
        return {self._digests[key]: row for key, row in _digested(table) if key in self._digests}


def _digested(table: Table) -> Iterator[tuple[tuple[str, int], Mapping[str, Any]]]:
    """Yield the rows that have a digest, each with the digest and the number of rows before it that have the same."""
    occurrences = Counter[str]()
    for row in table.rows:
        digest = row.get(_EXAMPLE + _ID)
        if isinstance(digest, str) and _DIGEST.fullmatch(digest):
            yield (digest, occurrences[digest]), row
            occurrences[digest] += 1


def _result(example: str, row: Mapping[str, Any]) -> ExampleResult:
    error = ": ".join(str(row[name]) for name in ("error", "error_message") if row.get(name)) or None
    feedback = row.get("feedback")
    return ExampleResult(
        example,
        number(row.get("score")) or 0.0,
        {
            name.removeprefix(_PREDICTION): value
            for name, value in row.items()
            if name.startswith(_PREDICTION) and value is not None
        },
        error,
        None if feedback is None else str(feedback),
    )


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    return _without_digest(
        {
            name.removeprefix(_EXAMPLE): value
            for name, value in row.items()
            if name.startswith(_EXAMPLE) and value is not None
        }
    )


def _without_digest(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != _ID or not _DIGEST.fullmatch(str(value))}


def _content_key(fields: Mapping[str, Any]) -> str:
    """Return a key of the content. A table has a column for each field of any row, with null where a row has none."""
    present = {name: value for name, value in _without_digest(fields).items() if value is not None}
    return json.dumps(present, sort_keys=True, ensure_ascii=False, default=str)
