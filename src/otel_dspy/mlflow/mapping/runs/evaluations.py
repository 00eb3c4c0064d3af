"""Mapping of evaluations to result tables of their trials, or to runs of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy import semconv as sc
from otel_dspy.mlflow.mapping import metrics, naming
from otel_dspy.mlflow.mapping.artifacts import tables
from otel_dspy.mlflow.mapping.context import compile_run, evaluate_run, trial_run
from otel_dspy.mlflow.mapping.operations import (
    EndRun,
    EnsureRun,
    ForgetPrograms,
    LogEvaluation,
    LogMetrics,
    LogProgram,
    LogTable,
    MetricPoint,
)
from otel_dspy.mlflow.mapping.run_keys import EvaluateRun, UserRun
from otel_dspy.mlflow.mapping.runs.kept_program import kept_program
from otel_dspy.mlflow.mapping.runs.run_status import run_status
from otel_dspy.mlflow.records.metric_names import ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.mlflow.mapping.operations import Operation
    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.records.route import Options, TraceContext
    from otel_dspy.mlflow.records.span import SpanRecord
    from otel_dspy.mlflow.records.span_records import EvaluateRecord


def evaluate_operations(done: EvaluateRecord, options: Options, context: TraceContext) -> Iterator[Operation]:
    """Log a trial's result table, or the whole of a stand-alone evaluation; nothing of one that an example makes.

    Args:
        done: the decoded `evaluate` span.
        options: the options of `autolog`.
        context: the trace that the span is logged in.
    """
    if done.within_example:
        return
    span = done.span
    found = tables.rows(done.results)
    if done.compile_id is not None:
        yield from kept_program(done, done.compile_id)
        run = trial_run(options, done.compile_id, done.trial)
        if run is not None and found is not None:
            several = done.role is not None and done.role != "validation"
            yield _results(span, run, found, f"result_table_{done.role}.json" if several else "result_table.json")
        whole = compile_run(options, done.compile_id)
        if done.trial is not None and done.role is None:  # GEPA's trials have their own, from gepa itself
            yield from _objectives(done, run, whole)
            errors = metrics.error_metrics(tables.error_types(found or ()))
            if run is not None and errors:
                points = tuple(MetricPoint(name, value, 0, span.end_ms) for name, value in errors.items())
                yield LogMetrics(key=f"{span.span_id}/errors", run=run, metrics=points)
        if whole is not None and found is not None and done.phase is not None:
            number = f"_{done.phase_index + 1}" if done.phase_index > 0 else ""
            yield _results(span, whole, found, path=f"{naming.key(done.phase)}_table{number}.json")
        return
    alone = evaluate_run(options, context, (span.trace_id, span.span_id))
    if alone is not None:
        yield from _stand_alone(done, alone, found)


def _objectives(done: EvaluateRecord, run: RunKey | None, whole: RunKey | None) -> Iterator[Operation]:
    """Log the means of an evaluation's objectives, on its trial's run and on the compile's curves."""
    values = metrics.objective_metrics(done.objectives)
    for name, target, step in (("objectives", run, 0), ("objectives of all", whole, done.trial or 0)):
        if target is not None and values:
            points = tuple(MetricPoint(key, value, step, done.span.end_ms) for key, value in values.items())
            yield LogMetrics(key=f"{done.span.span_id}/{name}", run=target, metrics=points)


def _results(span: SpanRecord, run: RunKey, found: list[tables.Row], path: str = "result_table.json") -> LogTable:
    columns, rows = tables.result_table(found)
    return LogTable(
        key=f"{span.span_id}/results", run=run, path=path, columns=columns, rows=rows,
        start_ms=span.start_ms,
    )  # fmt: skip


def _stand_alone(done: EvaluateRecord, run: RunKey, found: list[tables.Row] | None) -> Iterator[Operation]:
    span, ours = done.span, isinstance(run, EvaluateRun)
    failures = naming.failure_tags(done.failures)
    error = naming.error_tags(span, done.error_type)
    status = run_status(done.error_type, failed=bool(error) or (done.failures is not None and done.failures.every))
    if ours:
        yield EnsureRun(
            key=f"{span.span_id}/run",
            run=run,
            name=f"evaluate {done.program}",
            start_ms=span.start_ms,
            parent=None,  # in a run of the user's, the evaluation is part of that run
            tags=naming.tags(
                {
                    sc.DSPY_PROGRAM_NAME: done.program,
                    sc.DSPY_PROGRAM_ID: done.program_id,
                    sc.DSPY_METRIC_NAME: done.metric,
                    sc.DSPY_DATASET_ID: done.dataset_id,
                    **naming.identity_tags(span),
                }
            )
            | failures
            | error,
        )
    if done.program_id and done.program_state:
        yield from kept_program(done, span.span_id)
        yield LogProgram(
            key=f"{span.span_id}/model", run=run, scope=span.span_id, program_id=done.program_id, path="model.json"
        )
        if not ours:
            # The next evaluation in the user's run logs its program at the other path.
            yield LogProgram(
                key=f"{span.span_id}/program file", run=run, scope=span.span_id, program_id=done.program_id,
                path=f"programs/{done.program_id}.json",
            )  # fmt: skip
        yield ForgetPrograms(key=f"{span.span_id}/forget", scope=span.span_id)
    if found is not None:
        yield _results(span, run, found)
    used = metrics.partial_usage_metrics(done.usage) if isinstance(run, UserRun) else metrics.usage_metrics(done.usage)
    results = {metrics.score_metric(done.scope): done.score} if done.score is not None else {}
    results |= metrics.objective_metrics(done.objectives)
    results |= {ERRORS: float(done.num_errors)} if done.num_errors is not None else {}
    results |= metrics.error_metrics(tables.error_types(found or ()))
    if isinstance(run, UserRun):
        if used or results:
            yield LogEvaluation(
                key=f"{span.span_id}/metrics", run=run, evaluation=span.span_id, results=results, used=used,
                time_ms=span.end_ms,
                # The user ends their own run, which has no error of its own.
                tags={name: value for name, value in failures.items() if name.startswith("dspy.")},
            )  # fmt: skip
    else:
        points = tuple(MetricPoint(name, value, 0, span.end_ms) for name, value in (results | used).items())
        if points:
            yield LogMetrics(key=f"{span.span_id}/metrics", run=run, metrics=points)
    if ours:
        yield EndRun(key=f"{span.span_id}/end", run=run, status=status, end_ms=span.end_ms)
