"""A trial of a recorded optimization with the examples that it was scored on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.reporting.runs.json_artifacts import RunArtifacts
from otel_dspy.reporting.runs.read_error import store_errors
from otel_dspy.reporting.runs.result_tables import RESULT_TABLES, ExampleIndex, Table, table_rows
from otel_dspy.rerun.errors import RerunError
from otel_dspy.rerun.large_integers import restored_fields, restored_prediction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow.entities import Run

    from otel_dspy.reporting.trials.trial_row import TrialRow
    from otel_dspy.rerun.recorded_run import RecordedRun

_RECORD: Final = (
    "Examples and results are recorded with content: otel_dspy.mlflow.autolog() does so, and "
    "DSPyInstrumentor().instrument() with capture_content=True."
)


@dataclass(frozen=True)
class ScoredExample:
    """An example that a trial was scored on.

    Attributes:
        id: its position in the validation set, from 0.
        fields: its inputs and labels.
        prediction: what the trial's program returned; empty if it failed.
        score: the metric's value; 0 for an example that failed, None if the trial was not scored on the example.
    """

    id: str
    fields: Mapping[str, Any]
    prediction: Mapping[str, Any]
    score: float | None


@dataclass(frozen=True)
class RecordedTrial:
    """A trial.

    Attributes:
        row: its score, scope and state.
        examples: the examples that it was scored on, in order.
        predicted: names of the fields that the program predicts.
    """

    row: TrialRow
    examples: tuple[ScoredExample, ...]
    predicted: frozenset[str]


def recorded_trial(found: RecordedRun, index: int | None) -> RecordedTrial:
    """Read a trial; None for the one whose program the optimizer returned, else the best full one.

    Raises:
        RerunError: There is no such trial, or its examples and results were not recorded.
    """
    row = _chosen(found, index)
    child = found.children.get(row.index)
    validation = _json(found, found.run, "valset.json") or _json(found, found.run, "trainset.json")
    rows = [] if child is None else _results(found, child)
    table = Table(rows, row.scope == "full")
    known = ExampleIndex(validation, [table])
    # A table has a column for each field of any row, with null where a row has none.
    digests = known.digests(table)
    fields = {
        example.id: restored_fields(
            {name: value for name, value in {**example.inputs, **example.labels}.items() if value is not None},
            digests.get(example.id),
        )
        for example in known.examples()
    }
    examples = tuple(
        ScoredExample(
            result.example,
            fields[result.example],
            restored_prediction(result.prediction, fields[result.example]),
            result.score,
        )
        for result in known.results(table)
    )
    if not examples or not any(example.fields for example in examples):
        raise RerunError(f"Trial {row.index} of {found.name} has no recorded examples with results. {_RECORD}")
    return RecordedTrial(row, examples, frozenset(known.predicted))


def _chosen(found: RecordedRun, index: int | None) -> TrialRow:
    trials = found.trials()
    if index is None:
        best = found.best_trial()
        if best is None:
            raise RerunError(
                f"{found.name} has no trial with a score on the whole validation set: name one by --trial."
            )
        return best
    row = next((trial for trial in trials if trial.index == index), None)
    if row is None:
        raise RerunError(f"{found.name} has no trial {index}; it has {len(trials)}, numbered from 0.")
    return row


def _results(found: RecordedRun, run: Run) -> list[dict[str, Any]]:
    for path in RESULT_TABLES:
        if rows := _json(found, run, path):
            return rows
    return []


def _json(found: RecordedRun, run: Run, path: str) -> list[dict[str, Any]]:
    with store_errors(found.tracking_uri):
        return table_rows(RunArtifacts(found.tracking_uri, str(run.info.artifact_uri)).json(path))
