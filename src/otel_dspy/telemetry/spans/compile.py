"""Spans of a compile: `compile` and its children `setup` and `dataset`."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE

from otel_dspy import semconv
from otel_dspy.serialization.datasets import ExampleRegistry
from otel_dspy.telemetry.call_context import CallContext, call_context_in, inside, parent_context
from otel_dspy.telemetry.emitter import now
from otel_dspy.telemetry.exceptions import error_type, mark_failed
from otel_dspy.telemetry.instruments import UNSPANNED
from otel_dspy.telemetry.open_scopes import CompileScope
from otel_dspy.telemetry.spans.setup import compile_identity, put_program
from otel_dspy.telemetry.tallies.compile_budget import CompileBudget
from otel_dspy.telemetry.tallies.leaderboard import Leaderboard, greatest
from otel_dspy.telemetry.tallies.lm_roles import TASK
from otel_dspy.telemetry.tallies.usage_tally import UsageTally

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.tallies.leaderboard import Selection
    from otel_dspy.telemetry.tallies.lm_roles import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileInfo:
    """Data of a compile at its start. `key` is the identity of the optimizer object."""

    key: int
    optimizer_name: str
    program_name: str
    metric_name: str | None
    role: Role = TASK
    """Role of the optimizer's LM calls outside phases, trials and evaluations."""
    select: Selection = greatest
    """Rule by which the optimizer selects the returned program."""
    unobserved: bool = False
    """Whether it may call models without DSPy, whose calls are not observed."""


def new_compile_id() -> str:
    """Return a new `dspy.compile.id`: 32 hex digits."""
    return uuid.uuid4().hex


def open_compile(telemetry: Telemetry, info: CompileInfo) -> CompileScope:
    """Start a compile span under the open trial, the outer compile or the current span."""
    context = parent_context()
    call_context = call_context_in(context)
    outer, trial = call_context.compile, call_context.trial
    scope = CompileScope(
        id=new_compile_id(),
        key=info.key,
        optimizer_name=info.optimizer_name,
        program_name=info.program_name,
        metric_name=info.metric_name,
        examples=outer.examples if outer is not None else ExampleRegistry(),
        usage=UsageTally(call_context.usage, unobserved=info.unobserved),
        started=now(),
        parent=outer,
        parent_trial_index=trial.index if trial is not None else None,
        depth=outer.depth + 1 if outer is not None else 0,
        leaderboard=Leaderboard(info.select),
    )
    scope.budget = outer.budget if outer is not None else _budget(telemetry, scope)
    span = telemetry.tracer.start_span(
        semconv.SPAN_DSPY_COMPILE.format(scope.optimizer_name),
        context=context,
        attributes={semconv.DSPY_OPERATION_NAME: "compile", **compile_identity(scope)},
    )
    scope.opened(span, inside(span, CallContext(compile=scope, usage=scope.usage, role=info.role), context))
    telemetry.instruments.compile_active.add(1, {semconv.DSPY_OPTIMIZER_NAME: scope.optimizer_name}, UNSPANNED)
    telemetry.events.emit(
        semconv.EVENT_DSPY_COMPILE_STARTED,
        span,
        {
            semconv.DSPY_COMPILE_ID: scope.id,
            semconv.DSPY_OPTIMIZER_NAME: scope.optimizer_name,
            semconv.DSPY_PROGRAM_NAME: scope.program_name,
        },
    )
    return scope


def _budget(telemetry: Telemetry, scope: CompileScope) -> CompileBudget | None:
    budget = telemetry.budget
    if budget is None or not budget.limits:
        return None
    return CompileBudget(budget, scope.usage, now, scope.optimizer_name, scope.id, scope.leaderboard)


def close_compile(
    telemetry: Telemetry,
    scope: CompileScope,
    *,
    result: ProgramSnapshot | None,
    error: BaseException | None,
) -> None:
    """End the compile's span with its result, scores and usage, or with the error that it raised.

    Args:
        telemetry: the emitter of spans, events and metrics.
        scope: the compile to end.
        result: the returned program's id and state, if known.
        error: what the compile raised, if anything.
    """
    try:
        _record_compile(telemetry, scope, result=result, error=error)
    finally:
        telemetry.end_span(scope.span)


def _record_compile(
    telemetry: Telemetry,
    scope: CompileScope,
    *,
    result: ProgramSnapshot | None,
    error: BaseException | None,
) -> None:
    span = scope.span
    board = scope.leaderboard
    scope.usage.close()
    if scope.budget is not None and scope.parent is None:
        scope.budget.ended()
    if error is None:
        board.returned(None if result is None else result.id)
    else:
        board.stopped()
    measured: dict[str, AttributeValue] = {
        semconv.DSPY_COMPILE_TRIAL_COUNT: scope.trial_count,
        **scope.usage.split_attributes(),
        **scope.usage.examples.attributes(),
    }
    if board.initial_score is not None:
        measured[semconv.DSPY_COMPILE_INITIAL_SCORE] = board.initial_score
    if board.best_score is not None:
        measured[semconv.DSPY_COMPILE_BEST_SCORE] = board.best_score
    if board.best_index is not None:
        measured[semconv.DSPY_COMPILE_BEST_TRIAL_INDEX] = board.best_index
    if scope.score_unit is not None:
        measured[semconv.DSPY_TRIAL_SCORE_UNIT] = scope.score_unit
    span.set_attributes(measured)
    optimizer: dict[str, AttributeValue] = {semconv.DSPY_OPTIMIZER_NAME: scope.optimizer_name}
    failure: dict[str, AttributeValue] = {} if error is None else {ERROR_TYPE: error_type(error)}
    if error is None:
        put_program(telemetry, scope, span, result)
    else:
        mark_failed(span, error, telemetry.content, control=True)
    completed: dict[str, AttributeValue] = {
        semconv.DSPY_COMPILE_ID: scope.id,
        **optimizer,
        semconv.DSPY_PROGRAM_NAME: scope.program_name,
        semconv.DSPY_COMPILE_TRIAL_COUNT: scope.trial_count,
        **failure,
    }
    if board.best_score is not None:
        completed[semconv.DSPY_COMPILE_BEST_SCORE] = board.best_score
    telemetry.events.emit(semconv.EVENT_DSPY_COMPILE_COMPLETED, span, completed)
    telemetry.instruments.compile_active.add(-1, optimizer, UNSPANNED)
    telemetry.instruments.compile_duration.record(now() - scope.started, {**optimizer, **failure}, scope.context)
