"""Mapping context: the run and trace that a span belongs to, and whether the options include it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.mapping.run_keys import CompileRun, EvaluateRun, TrialRun, UserRun
from otel_dspy.mlflow.records.route import RootKind

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.records.route import Options, TraceContext


def compile_run(options: Options, compile_id: str | None) -> CompileRun | None:
    """Return the compile's run, if compiles are logged as runs."""
    return CompileRun(compile_id) if compile_id and options.log_compiles else None


def trial_run(options: Options, compile_id: str | None, index: int | None) -> TrialRun | None:
    """Return the trial's run, if trials are logged as runs.

    Args:
        options: the options of `autolog`.
        compile_id: the enclosing compile, if any.
        index: the trial's index in it, if any.
    """
    if compile_id is None or index is None or not options.log_evals:
        return None
    return TrialRun(compile_id, index, compile_run(options, compile_id))


def evaluate_run(options: Options, context: TraceContext, evaluate: tuple[str, str] | None) -> RunKey | None:
    """Return the run of a stand-alone evaluation: the user's, if one is open.

    Args:
        options: the options of `autolog`.
        context: the trace that the span is logged in.
        evaluate: trace id and span id of the evaluation, if any.
    """
    if evaluate is None or not options.log_evals:
        return None
    return user_run(context) or EvaluateRun(*evaluate)


def user_run(context: TraceContext) -> UserRun | None:
    """Return the run that the user had open."""
    return UserRun(context.user_run) if context.user_run else None


def trace_run(options: Options, context: TraceContext) -> RunKey | None:
    """Return the run that the trace belongs to: the innermost one that is logged."""
    return (
        (trial_run(options, context.compile_id, context.trial) if context.kind is RootKind.EXAMPLE else None)
        or compile_run(options, context.compile_id)
        or (evaluate_run(options, context, context.evaluate) if context.compile_id is None else None)
        or user_run(context)
    )


def logs_traces(options: Options, context: TraceContext) -> bool:
    """Whether the options include this trace."""
    if not options.log_traces:
        return False
    if context.compile_id is not None:
        return options.log_traces_from_compile
    if context.kind in {RootKind.EVALUATE, RootKind.EXAMPLE}:
        return options.log_traces_from_eval
    return True
