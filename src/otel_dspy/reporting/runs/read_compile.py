"""Reading of a whole optimization: its run, the runs of its trials and their artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from otel_dspy import semconv
from otel_dspy.mlflow.mapping.artifacts.summary import SUMMARY
from otel_dspy.mlflow.mapping.naming import DATASET_ROLE, ENDED_PHASE, ERROR_MESSAGE, ERROR_TYPE, WITHOUT_EXCEPTION
from otel_dspy.mlflow.records.param_names import LANGUAGE_MODEL
from otel_dspy.mlflow.tracking.runs.stale_runs import REASON_TAG
from otel_dspy.mlflow.tracking.store import server_artifacts
from otel_dspy.mlflow.tracking_uri import without_passwords
from otel_dspy.reporting.compile_result import Compile, Trial
from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.runs.connection import connected
from otel_dspy.reporting.runs.json_artifacts import RunArtifacts
from otel_dspy.reporting.runs.programs import candidates, parent_ids, predictors, versions
from otel_dspy.reporting.runs.result_tables import RESULT_TABLES, ExampleIndex, Table, table_rows
from otel_dspy.reporting.runs.run_search import child_runs, find_run
from otel_dspy.reporting.runs.summary_rows import (
    best_trial,
    call_forecast,
    mapping,
    mappings,
    number,
    numbers,
    phases,
    task_use,
    trial_rows,
    use,
    uses,
)
from otel_dspy.reporting.runs.unfinished_summary import best_with_a_score, summary_of_runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient
    from mlflow.entities import Run


def read_compile(tracking_uri: str, run: str, experiment: str | None = None, *, only_winner: bool = False) -> Compile:
    """Read an optimization from MLflow.

    Args:
        tracking_uri: the store.
        run: id of the optimization's run, or `latest`.
        experiment: name of the experiment in which `latest` searches; None for all.
        only_winner: read the artifacts of no trial but the best one: the others have neither results nor a program.

    Raises:
        ReportError: There is no such run, it is not that of an optimization, or it is in progress without trials.
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    client = connected(tracking_uri)
    found = find_run(client, run, experiment)
    artifacts = _artifacts(tracking_uri, found)
    children = _trials(client, found)
    summary = mapping(artifacts.json(SUMMARY))
    if not summary and not children:
        raise ReportError(_no_trials(found))
    summary = best_with_a_score(summary, str(found.info.status)) if summary else summary_of_runs(found, children)
    detailed = {summary.get("best_trial")} if only_winner else children.keys()
    files = {index: _artifacts(tracking_uri, children[index]) for index in children if index in detailed}
    return _compile(_Recorded(found, children, artifacts, files), summary, tracking_uri)


def read_unfinished(tracking_uri: str, run_id: str) -> Compile:
    """Read an optimization that may be in progress, without artifacts: by its run and those of its trials alone.

    Args:
        tracking_uri: the store.
        run_id: id of the optimization's run.

    Returns:
        The optimization, its trials without results by example.

    Raises:
        ReportError: There is no such run, or it is not that of an optimization.
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    client = connected(tracking_uri)
    found = find_run(client, run_id)
    children = _trials(client, found)
    nothing = RunArtifacts(tracking_uri, None)
    return _compile(_Recorded(found, children, nothing, {}), summary_of_runs(found, children), tracking_uri)


def _trials(client: MlflowClient, run: Run) -> dict[int, Run]:
    return {
        int(child.data.tags[semconv.DSPY_TRIAL_INDEX]): child
        for child in child_runs(client, run)
        if semconv.DSPY_TRIAL_INDEX in child.data.tags
    }


def _artifacts(tracking_uri: str, run: Run) -> RunArtifacts:
    return RunArtifacts(tracking_uri, str(run.info.artifact_uri))


@dataclass(frozen=True)
class _Recorded:
    """An optimization's run, the runs of its trials by index, and the artifacts of those that are read."""

    run: Run
    children: Mapping[int, Run]
    artifacts: RunArtifacts
    files: Mapping[int, RunArtifacts]


def _compile(recorded: _Recorded, summary: Mapping[str, Any], tracking_uri: str) -> Compile:
    run, children, artifacts, files = recorded.run, recorded.children, recorded.artifacts, recorded.files
    rows = trial_rows(summary)
    tables = {
        row.index: Table(_table(files[row.index]) if row.index in files else [], row.scope == "full") for row in rows
    }
    validation = artifacts.json("valset.json") or artifacts.json("trainset.json")
    examples = ExampleIndex(table_rows(validation), tables.values())
    stored = {row.index: _stored_scores(run, files[row.index], row.parameters) for row in rows if row.index in files}
    details = {int(trial["index"]): trial for trial in mappings(summary.get("trials"))}
    trials = tuple(
        Trial(
            row,
            results=examples.results(tables[row.index]) or examples.stored_results(stored.get(row.index, [])),
            program=predictors(files[row.index].json("model.json")) if row.index in files else (),
            run_id=children[row.index].info.run_id if row.index in children else None,
            reason=details[row.index].get("reason"),
            error=_error(children.get(row.index), details[row.index].get("error")),
            measures=numbers(details[row.index].get("measures")),
            started=number(details[row.index].get("started")),
            program_id=details[row.index].get("program_id"),
            parent_ids=parent_ids(children[row.index]) if row.index in children else (),
            task=task_use(details[row.index].get("usage")),
            roles=uses(mapping(details[row.index].get("usage")).get("by_role")),
        )
        for row in rows
    )
    digests = _dataset_digests(run)
    initial, best = artifacts.json("initial_model.json"), artifacts.json("best_model.json")
    return Compile(
        run_id=run.info.run_id,
        optimizer=str(summary.get("optimizer")),
        program=str(summary.get("program")),
        metric=summary.get("metric"),
        unit=summary.get("score_unit"),
        initial_score=number(summary.get("initial_score")),
        best_score=number(summary.get("best_score")),
        best_trial=best_trial(summary),
        duration=number(summary.get("duration")) or 0.0,
        status=str(run.info.status),
        tracking_uri="" if server_artifacts.in_server() else without_passwords(tracking_uri),
        experiment_id=str(run.info.experiment_id),
        error=_error(run, summary.get("error")),
        stop_reason=run.data.tags.get(REASON_TAG) if str(run.info.status) == "KILLED" else None,
        ended_phases=frozenset(tag.removeprefix(ENDED_PHASE) for tag in run.data.tags if tag.startswith(ENDED_PHASE)),
        parameters=mapping(summary.get("parameters")) | _models(run),
        usage=use(summary.get("usage")),
        usage_by_role=uses(mapping(summary.get("usage")).get("by_role")),
        usage_by_model=uses(mapping(summary.get("usage")).get("by_model")),
        examples=examples.examples(),
        scored_on=_scored_on(digests),
        validation_digest=digests.get("validation") or digests.get("train"),
        trials=trials,
        missing_trials=int(number(summary.get("missing_trials")) or 0),
        initial_program=predictors(initial),
        best_program=predictors(best),
        candidates=candidates(artifacts.json("candidates/instructions.json"), artifacts.json("candidates/demos.json")),
        phases=phases(summary.get("phases")),
        forecast=call_forecast(run.data.params),
        versions=versions(best or initial),
    )


def _dataset_digests(run: Run) -> dict[str, str]:
    """Return the digests of the datasets by role, `train` and `validation`."""
    inputs = run.inputs.dataset_inputs if run.inputs is not None else []
    return {tag.value: str(found.dataset.digest) for found in inputs for tag in found.tags if tag.key == DATASET_ROLE}


def _scored_on(digests: Mapping[str, str]) -> Literal["validation", "training"]:
    """Return the set that DSPy scores trials on: without a validation set that is the training set."""
    train, validation = digests.get("train"), digests.get("validation")
    return "training" if train is not None and validation in (None, train) else "validation"


def _table(files: RunArtifacts) -> list[dict[str, Any]]:
    for path in RESULT_TABLES:
        if rows := table_rows(files.json(path)):
            return rows
    return []


def _stored_scores(run: Run, files: RunArtifacts, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the scores by example of a candidate that GEPA restored; empty if they may be of other examples."""
    if not parameters.get("restored") or semconv.DSPY_COMPILE_RESUMED_DIFFERENCES in run.data.tags:
        return []
    return table_rows(files.json("scores.json"))


def _error(run: Run | None, recorded: object) -> str | None:
    tags = run.data.tags if run is not None else {}
    kind = recorded or tags.get(ERROR_TYPE)
    if not kind:
        return None
    message = tags.get(ERROR_MESSAGE)
    if kind == WITHOUT_EXCEPTION:
        return message
    return f"{kind}: {message}" if message else str(kind)


def _models(run: Run) -> dict[str, Any]:
    return {name: value for name, value in run.data.params.items() if name.startswith(LANGUAGE_MODEL)}


def _no_trials(run: Run) -> str:
    name, status = f"Run {run.info.run_id} ({run.info.run_name})", str(run.info.status)
    if status == "RUNNING":
        return f"{name} is RUNNING: no trial has ended yet. Call the command again later."
    return f"{name} has no trials: the optimization was ended before the first one did (status {status})."
