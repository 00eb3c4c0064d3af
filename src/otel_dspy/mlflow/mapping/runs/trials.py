"""Mapping of trials to runs, and to points on the curves of their compile."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from otel_dspy import semconv as sc
from otel_dspy.formatting.stop_reasons import stop_text
from otel_dspy.formatting.trial_values import difference_text, failure_text, reason_text, score_value_text, tried_text
from otel_dspy.mlflow.mapping import metrics, naming
from otel_dspy.mlflow.mapping.artifacts import tables
from otel_dspy.mlflow.mapping.context import compile_run, trial_run
from otel_dspy.mlflow.mapping.operations import (
    EndRun,
    EnsureRun,
    LogChanges,
    LogMetrics,
    LogParams,
    LogProgram,
    LogTable,
    LogText,
    MetricPoint,
)
from otel_dspy.mlflow.mapping.runs.kept_program import kept_program
from otel_dspy.mlflow.mapping.runs.run_status import run_status
from otel_dspy.mlflow.records.metric_names import BEST_SCORE, NUM_EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from otel_dspy.mlflow.mapping.operations import Operation
    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.records.route import Options
    from otel_dspy.mlflow.records.span_records import TrialRecord


def trial_operations(trial: TrialRecord, options: Options) -> Iterator[Operation]:
    """Log the trial's own run, and its points on the compile's curves."""
    yield from kept_program(trial, trial.compile_id)
    parent = compile_run(options, trial.compile_id)
    points = _progress(trial)
    progress: list[Operation] = []
    if parent is not None and points:
        progress.append(LogMetrics(key=f"{trial.span.span_id}/progress", run=parent, metrics=points))
    run = trial_run(options, trial.compile_id, trial.index)
    if run is not None:
        yield from _trial_run_operations(trial, run, run.parent, progress)
    else:
        yield from progress


def _trial_run_operations(
    trial: TrialRecord, run: RunKey, parent: RunKey | None, progress: Iterable[Operation]
) -> Iterator[Operation]:
    span = trial.span
    broken = trial.state == "fail" or trial.error_type is not None
    failed = broken or (trial.failures is not None and trial.failures.every)
    yield EnsureRun(
        key=f"{span.span_id}/run",
        run=run,
        name=naming.trial_name(trial.index, _tried(trial)),
        start_ms=span.start_ms,
        parent=parent,
        tags=naming.tags(
            {
                sc.DSPY_COMPILE_ID: trial.compile_id,
                sc.DSPY_TRIAL_INDEX: trial.index,
                sc.DSPY_TRIAL_LABEL: trial.label,
                sc.DSPY_TRIAL_KIND: trial.kind,
                sc.DSPY_TRIAL_SCOPE: trial.scope,
                sc.DSPY_TRIAL_STATE: trial.state,
                sc.DSPY_TRIAL_SCORE_UNIT: trial.score_unit,
                sc.DSPY_TRIAL_IS_BEST: trial.is_best,
                sc.DSPY_TRIAL_DERIVED: trial.derived,
                sc.DSPY_TRIAL_REASON: trial.reason,
                sc.DSPY_PROGRAM_ID: trial.program_id,
                sc.DSPY_PROGRAM_PARENT_IDS: trial.program_parents or None,
                naming.DESCRIPTION: _description(trial, broken=broken),
                **naming.identity_tags(span),
            }
        )
        | naming.failure_tags(trial.failures)
        | (_error_tags(trial) if broken else {}),
    )
    if trial.parameters:
        yield LogParams(key=f"{span.span_id}/params", run=run, params=naming.params(trial.parameters))
    if trial.program_id:
        yield LogProgram(
            key=f"{span.span_id}/model", run=run, scope=trial.compile_id, program_id=trial.program_id,
            path="model.json",
        )  # fmt: skip
        yield LogChanges(
            key=f"{span.span_id}/changes", run=run, scope=trial.compile_id, program_id=trial.program_id,
            parent_ids=trial.program_parents, path="changes.md", title=_title(trial),
        )  # fmt: skip
    if trial.candidate:
        yield LogText(key=f"{span.span_id}/candidate", run=run, path="candidate.json", text=trial.candidate)
    for path, text, columns in (
        ("scores.json", trial.scores, ("on", "id", "before", "score")),
        ("pareto_front.json", trial.pareto_front, ("of", "id", "score", "candidates")),
    ):
        found = tables.rows(text)
        if found:
            names, data = tables.dataset_table(columns, [_with_one_score(row) for row in found])
            yield LogTable(
                key=f"{span.span_id}/{path}", run=run, path=path, columns=names, rows=data, start_ms=span.start_ms
            )
    # Scores first: MLflow's page of a run lists metrics in the order in which they are first logged.
    values = {metrics.score_metric(trial.scope): trial.score} if trial.score is not None else {}
    if trial.score is not None and trial.num_examples is not None:
        values[NUM_EXAMPLES] = float(trial.num_examples)
    values |= metrics.failure_metrics(trial.failures) | metrics.measures(trial.measures)
    values |= metrics.usage_metrics(trial.usage)
    if values:
        points = tuple(MetricPoint(name, value, 0, span.end_ms) for name, value in values.items())
        yield LogMetrics(key=f"{span.span_id}/metrics", run=run, metrics=points)
    # Before the end, with which it can be written in one transaction.
    yield from progress
    ended = run_status(trial.error_type, failed=failed)
    yield EndRun(key=f"{span.span_id}/end", run=run, status=ended, end_ms=span.end_ms)


def _description(trial: TrialRecord, *, broken: bool) -> str | None:
    """Return one line for the page of the run and for the column of descriptions in MLflow's table of runs.

    None for a trial that has neither a score, an error nor a reason.
    """
    tried = _tried(trial) or (trial.kind or "trial").replace("_", " ")
    if broken and (stopped := stop_text(trial.error_type)) is not None:
        return f"{tried}: {stopped}"
    if broken:
        without_exception = _without_exception(trial)
        cause = _cause(trial.error_type, trial.span.message)
        return f"{tried}: failed{cause if without_exception is None else f' with {without_exception}'}"
    if trial.failures is not None and trial.failures.every:
        return f"{tried}: every example failed{_cause(trial.failures.first_type, trial.failures.first_message)}"
    if trial.score is None:
        return f"{tried}: no score; {reason_text(trial.reason)}" if trial.reason else None
    found = f"{tried}: {_score(trial)}"
    difference = trial.score - (math.nan if trial.initial_score is None else trial.initial_score)
    if math.isfinite(difference):
        found += f", {difference_text(difference, trial.score_unit)} against the start"
    return found + (f"; {reason_text(trial.reason)}" if trial.reason else "")


def _error_tags(trial: TrialRecord) -> dict[str, str]:
    found = naming.error_tags(trial.span, trial.error_type or naming.WITHOUT_EXCEPTION)
    return found | naming.tags({naming.ERROR_MESSAGE: _without_exception(trial)})


def _without_exception(trial: TrialRecord) -> str | None:
    """Return why a trial failed without an exception; None if it raised one, or for an unknown reason."""
    if trial.error_type is None and trial.score is not None and math.isnan(trial.score):
        return f"score {score_value_text(trial.score, trial.score_unit)}"
    return None


def _cause(error_type: str | None, message: str | None) -> str:
    return f" with {failure_text(error_type, message)}" if error_type or message else ""


def _title(trial: TrialRecord) -> str:
    """Return the heading of the changes: the name of the run, and the score if there is one."""
    name = naming.trial_name(trial.index, _tried(trial))
    return name if trial.score is None else f"{name}, {_score(trial)}"


def _score(trial: TrialRecord) -> str:
    found = score_value_text(trial.score, trial.score_unit)
    if (count := trial.num_examples) is not None:
        # A ratio "of 20" would read as a number of examples, and so would NaN.
        percent = trial.score_unit == "percent" and trial.score is not None and math.isfinite(trial.score)
        found += f" of {count}" if percent else f" on {count} example{'s' * (count != 1)}"
        return f"{found} (minibatch)" if trial.scope == "minibatch" else found
    return f"{found} on a minibatch" if trial.scope == "minibatch" else found


def _with_one_score(row: tables.Row) -> tables.Row:
    """Return a row with the score of its one parent as a number; a merge has a list with the score of each parent."""
    match row.get("before"):
        case [score]:
            return row | {"before": score}
        case _:
            return row


def _tried(trial: TrialRecord) -> str | None:
    """Return what the trial tried, as every report names it; None if that was not recorded."""
    return tried_text(trial.kind, trial.label, trial.parameters)


def _progress(trial: TrialRecord) -> tuple[MetricPoint, ...]:
    values = {BEST_SCORE: trial.best_score} if trial.best_score is not None else {}
    if trial.score is not None:
        values[metrics.score_metric(trial.scope)] = trial.score
    values |= metrics.measures(trial.measures) | metrics.partial_usage_metrics(trial.compile_usage)
    return tuple(MetricPoint(name, value, trial.index, trial.span.end_ms) for name, value in values.items())
