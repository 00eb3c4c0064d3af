"""Mapping of compiles to runs: setup and end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy import semconv as sc
from otel_dspy.mlflow.mapping import metrics, naming
from otel_dspy.mlflow.mapping.artifacts.summary import SUMMARY, summary_json
from otel_dspy.mlflow.mapping.context import compile_run, trial_run, user_run
from otel_dspy.mlflow.mapping.operations import (
    DescribeRunning,
    DescribeStopped,
    EndRun,
    EnsureRun,
    ForgetPrograms,
    LogMetrics,
    LogModel,
    LogParams,
    LogProgram,
    LogReport,
    LogText,
    MetricPoint,
)
from otel_dspy.mlflow.mapping.runs.ended_description import ended_description
from otel_dspy.mlflow.mapping.runs.kept_program import kept_program
from otel_dspy.mlflow.mapping.runs.run_status import is_interrupted, run_status
from otel_dspy.mlflow.records.metric_names import BEST_SCORE, INITIAL_SCORE
from otel_dspy.mlflow.records.param_names import FORECAST, LANGUAGE_MODEL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from otel_dspy.mlflow.mapping.compile_aggregator import EndedCompile
    from otel_dspy.mlflow.mapping.operations import Operation, RunStatus
    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.records.route import Options, TraceContext
    from otel_dspy.mlflow.records.span_records import CompileIdentity, CompileRecord, SetupRecord


def setup_operations(setup: SetupRecord, options: Options, context: TraceContext) -> Iterator[Operation]:
    """Create the run with its inputs.

    Args:
        setup: the decoded `setup` span.
        options: the options of `autolog`.
        context: the trace that the span is logged in.
    """
    identity, span = setup.identity, setup.span
    yield from kept_program(setup, identity.compile_id, initial=True)
    run = compile_run(options, identity.compile_id)
    if run is None:
        return
    # The compile span rather than the setup span: it is the one that the run represents.
    links = {naming.TRACE_ID: span.trace_id, naming.SPAN_ID: span.parent_id or span.span_id}
    yield _ensure_run(setup, run, _parent(identity, options, context), links)
    found = naming.params(setup.parameters) | naming.params(setup.lm_parameters, LANGUAGE_MODEL)
    if setup.lm_model:
        found |= naming.params({f"{LANGUAGE_MODEL}model": setup.lm_model})
    # Parameters, since nothing of it is measured: as metrics they would be logged, and listed, before the first score.
    found |= naming.params(setup.forecast, FORECAST)
    if found:
        yield LogParams(key=f"{span.span_id}/params", run=run, params=found)
    if setup.program_id:
        yield LogProgram(
            key=f"{span.span_id}/initial_model", run=run, scope=identity.compile_id, program_id=setup.program_id,
            path="initial_model.json",
        )  # fmt: skip
    if identity.parent_id is None:
        yield DescribeRunning(key=f"{span.span_id}/running", run=run)


def _ensure_run(
    record: SetupRecord | CompileRecord, run: RunKey, parent: RunKey | None, more: Mapping[str, object]
) -> EnsureRun:
    identity, span = record.identity, record.span
    return EnsureRun(
        key=f"{span.span_id}/run",
        run=run,
        name=naming.compile_name(identity),
        start_ms=span.start_ms,
        parent=parent,
        tags=naming.tags(
            {
                sc.DSPY_COMPILE_ID: identity.compile_id,
                sc.DSPY_COMPILE_PARENT_ID: identity.parent_id,
                sc.DSPY_OPTIMIZER_NAME: identity.optimizer,
                sc.DSPY_PROGRAM_NAME: identity.program,
                sc.DSPY_METRIC_NAME: identity.metric,
                **more,
            }
        ),
    )


def _parent(identity: CompileIdentity, options: Options, context: TraceContext) -> RunKey | None:
    if identity.parent_id is None:
        return user_run(context)
    return trial_run(options, identity.parent_id, identity.parent_trial) or compile_run(options, identity.parent_id)


def summary_operations(ended: EndedCompile, options: Options, *, description: str | None = None) -> Iterator[Operation]:
    """Log the summary with the trials received so far, and the report; a late trial updates both.

    Args:
        ended: the ended compile with its trials so far.
        options: the options of `autolog`.
        description: first line of the run's description until the report is written; None to keep the one it has.
    """
    done = ended.done
    run = compile_run(options, done.identity.compile_id)
    if run is not None:
        yield LogText(
            key=f"{done.span.span_id}/summary/{len(ended.trials)}", run=run, path=SUMMARY,
            text=summary_json(ended),
        )  # fmt: skip
        # A nested compile without trials is a step of one; an interrupted program ends as soon as it can.
        if (done.identity.parent_id is None or ended.trials) and not is_interrupted(done.error_type):
            yield LogReport(key=f"{done.span.span_id}/report/{len(ended.trials)}", run=run, description=description)
    yield from _best_trial(ended, options)


def stopped_operations(ended: EndedCompile, options: Options) -> Iterator[Operation]:
    """Describe the run, once it has ended, of a compile that was interrupted; a late trial updates the description."""
    done = ended.done
    run = compile_run(options, done.identity.compile_id)
    if run is not None and is_interrupted(done.error_type):
        yield DescribeStopped(key=f"{done.span.span_id}/stopped/{len(ended.trials)}", run=run)


def compile_operations(
    done: CompileRecord, options: Options, context: TraceContext, ended: EndedCompile
) -> Iterator[Operation]:
    """Log the result of the compile and end its run.

    Args:
        done: the decoded `compile` span.
        options: the options of `autolog`.
        context: the trace that the span is logged in.
        ended: the ended compile with its trials so far.
    """
    identity, span, scope = done.identity, done.span, done.identity.compile_id
    yield from kept_program(done, scope)
    run = compile_run(options, scope)
    if run is not None:
        # Repeated for a reader that missed the setup; some optimizers resolve `auto` only at the end.
        more = {naming.DESCRIPTION: _step_description(ended), **naming.identity_tags(span)}
        yield _ensure_run(done, run, _parent(identity, options, context), more)
        if done.parameters:
            yield LogParams(key=f"{span.span_id}/params", run=run, params=naming.params(done.parameters))
        yield LogMetrics(
            key=f"{span.span_id}/totals",
            run=run,
            metrics=_totals(done),
            tags=naming.tags(
                {
                    sc.DSPY_PROGRAM_ID: done.program_id,
                    sc.DSPY_COMPILE_BEST_TRIAL_INDEX: done.best_trial,
                    sc.DSPY_COMPILE_STEP_FAILED: done.step_failed,
                    sc.DSPY_COMPILE_RESUMED_FROM: done.resumed_from,
                    sc.DSPY_COMPILE_RESUMED_ITERATION: done.resumed_iteration,
                    sc.DSPY_COMPILE_RESUMED_DIFFERENCES: done.resumed_differences or None,
                }
            )
            | naming.failure_tags(done.failures)
            | naming.error_tags(span, done.error_type),
        )
        yield from summary_operations(ended, options, description=ended_description(ended))
        if done.program_id and not _raised(done):
            yield from _result(done, done.program_id, run, options)
        yield EndRun(key=f"{span.span_id}/end", run=run, status=_status(done), end_ms=span.end_ms)
        yield from stopped_operations(ended, options)
    yield ForgetPrograms(key=f"{span.span_id}/forget", scope=scope)


def _step_description(ended: EndedCompile) -> str | None:
    """Return one line for a nested compile without trials, which has no report; None for any other or a failed one."""
    done, identity = ended.done, ended.done.identity
    if identity.parent_id is None or done.trial_count or ended.trials or _raised(done):
        return None
    whole = "its parent run" if identity.parent_trial is None else f"trial {identity.parent_trial}"
    calls = done.usage.lm_calls
    if calls is None:
        return f"step of {whole}"
    return f"step of {whole}: {calls:,} language model call{'' if calls == 1 else 's'}"


def _result(done: CompileRecord, program_id: str, run: RunKey, options: Options) -> Iterator[Operation]:
    identity, span = done.identity, done.span
    yield LogProgram(
        key=f"{span.span_id}/best_model", run=run, scope=identity.compile_id, program_id=program_id,
        path="best_model.json",
    )  # fmt: skip
    if identity.parent_id is None:
        last = trial_run(options, identity.compile_id, done.trial_count - 1) if done.trial_count else None
        yield LogModel(
            key=f"{span.span_id}/model",
            run=run,
            also=last,
            name=naming.key(f"{identity.optimizer}-{identity.program}").replace(".", "_").replace("/", "_"),
            scope=identity.compile_id,
            program_id=program_id,
            path="best_model.json",
            tags=naming.tags({sc.DSPY_COMPILE_ID: identity.compile_id, sc.DSPY_PROGRAM_ID: program_id}),
            score=next((point for point in _totals(done) if point.name == BEST_SCORE), None),
        )


def _best_trial(ended: EndedCompile, options: Options) -> Iterator[Operation]:
    """Leave `dspy.trial.is_best` on the trial that the optimizer returned; before, each has it that was best so far."""
    best = ended.done.best_trial
    if best is None:
        return
    for trial in ended.trials:
        run = trial_run(options, trial.compile_id, trial.index)
        if run is not None and bool(trial.is_best) != (trial.index == best):
            tags = naming.tags({sc.DSPY_TRIAL_IS_BEST: trial.index == best})
            yield LogMetrics(key=f"{trial.span.span_id}/best", run=run, tags=tags)


def _totals(done: CompileRecord) -> tuple[MetricPoint, ...]:
    # One step after the last trial's, so that the curve ends at the compile's own total.
    step, time_ms = done.trial_count or 0, done.span.end_ms
    points = [] if done.best_score is None else [MetricPoint(BEST_SCORE, done.best_score, step, time_ms)]
    if done.initial_score is not None:
        points.append(MetricPoint(INITIAL_SCORE, done.initial_score, 0, time_ms))
    values = metrics.failure_metrics(done.failures) | metrics.usage_metrics(done.usage)
    points += [MetricPoint(name, value, step, time_ms) for name, value in values.items()]
    return tuple(points)


def _status(done: CompileRecord) -> RunStatus:
    return run_status(done.error_type, failed=_raised(done) or (done.failures is not None and done.failures.every))


def _raised(done: CompileRecord) -> bool:
    return done.error_type is not None or done.span.error
