"""Spans of a compile: `compile` and its children `setup` and `dataset`."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.trace import set_span_in_context

from otel_dspy import semconv
from otel_dspy.runtime.guard import guarded
from otel_dspy.serialization.datasets import ExampleRegistry, field_names
from otel_dspy.telemetry.call_context import CallContext, CompileScope, call_context_in, inside, parent_context
from otel_dspy.telemetry.compile_budget import CompileBudget
from otel_dspy.telemetry.emitter import now
from otel_dspy.telemetry.failure import error_type, mark_failed
from otel_dspy.telemetry.instruments import UNSPANNED
from otel_dspy.telemetry.leaderboard import Leaderboard, greatest
from otel_dspy.telemetry.parameters import parameter_attributes
from otel_dspy.telemetry.usage import TASK, UsageTally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.leaderboard import Selection
    from otel_dspy.telemetry.usage import Role


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """A dataset: its role (train, validation, evaluation), its name, and the user's own list of examples."""

    role: str
    name: str
    examples: Sequence[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupInfo:
    """Resolved inputs of a compile."""

    program: ProgramSnapshot | None
    parameters: Mapping[str, object]
    lm_model: str | None
    lm_parameters: Mapping[str, object] = field(default_factory=dict[str, object])
    datasets: Sequence[DatasetInfo] = ()
    forecast: Mapping[str, AttributeValue] = field(default_factory=dict[str, "AttributeValue"])
    """`dspy.forecast.*`; empty if the optimizer's arithmetic is unknown."""


def new_compile_id() -> str:
    """Return a new `dspy.compile.id`: 32 hex digits."""
    return uuid.uuid4().hex


def _identity(scope: CompileScope) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {
        semconv.DSPY_COMPILE_ID: scope.id,
        semconv.DSPY_OPTIMIZER_NAME: scope.optimizer_name,
        semconv.DSPY_PROGRAM_NAME: scope.program_name,
    }
    if scope.metric_name is not None:
        attributes[semconv.DSPY_METRIC_NAME] = scope.metric_name
    if scope.parent is not None:
        attributes[semconv.DSPY_COMPILE_PARENT_ID] = scope.parent.id
        attributes[semconv.DSPY_COMPILE_DEPTH] = scope.depth
        if scope.parent_trial_index is not None:
            attributes[semconv.DSPY_COMPILE_PARENT_TRIAL_INDEX] = scope.parent_trial_index
    return attributes


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
        usage=UsageTally(call_context.usage),
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
        attributes={semconv.DSPY_OPERATION_NAME: "compile", **_identity(scope)},
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


def emit_setup(telemetry: Telemetry, scope: CompileScope, info: SetupInfo) -> None:
    """Emit the `setup` span with its datasets once per compile, and set the parameters on the compile's span too.

    Args:
        telemetry: the emitter of spans, events and metrics.
        scope: the compile.
        info: its parameters, program and datasets.
    """
    with scope.lock:
        if scope.setup_done:
            return
        scope.setup_done = True
    parameters = parameter_attributes(semconv.DSPY_OPTIMIZER_PARAMETER, info.parameters, telemetry.secrets)
    scope.span.set_attributes(parameters)
    attributes: dict[str, AttributeValue] = {
        semconv.DSPY_OPERATION_NAME: "setup",
        **_identity(scope),
        **parameters,
        **parameter_attributes(semconv.DSPY_LM_PARAMETER, info.lm_parameters, telemetry.secrets),
        **info.forecast,
    }
    if info.lm_model is not None:
        attributes[semconv.DSPY_LM_MODEL] = info.lm_model
    span = telemetry.tracer.start_span(
        semconv.SPAN_DSPY_SETUP.format(scope.optimizer_name), context=scope.context, attributes=attributes
    )
    put_program(telemetry, scope, span, info.program)
    for dataset in info.datasets:
        with guarded("a dataset"):
            emit_dataset(telemetry, span, dataset, scope.examples, scope)
    telemetry.end_span(span)


def put_program(telemetry: Telemetry, scope: CompileScope | None, span: Span, program: ProgramSnapshot | None) -> None:
    """Set the program's id on the span, and its state on the first span of the compile that has this id.

    Args:
        telemetry: the emitter of spans, events and metrics.
        scope: the enclosing compile, if any.
        span: the span that refers to the program.
        program: the program's id and state, if known.
    """
    if program is None:
        return
    span.set_attribute(semconv.DSPY_PROGRAM_ID, program.id)
    if scope is not None:
        with scope.lock:
            known = program.id in scope.sent_programs
            scope.sent_programs.add(program.id)
        if known:
            return
    if telemetry.settings.capture_programs:
        telemetry.put_payload(span, semconv.DSPY_PROGRAM_STATE, program.state)


def emit_dataset(
    telemetry: Telemetry,
    parent: Span,
    info: DatasetInfo,
    registry: ExampleRegistry,
    scope: CompileScope | None,
) -> str:
    """Emit a `dataset` span, once for each role and content in a compile, and return the dataset's id.

    The rows are recorded on it, unless enclosing compiles have recorded all of them: a nested compile's training set is
    mostly that of the outer compile, a part of it, or the same in another order.

    Args:
        telemetry: the telemetry facade.
        parent: parent span.
        info: the dataset.
        registry: cache of rows and ids.
        scope: the compile; None for an evaluation outside a compile.
    """
    rows = [registry.row(example) for example in info.examples]
    ids = {registry.example_id(example) for example in info.examples}
    dataset_id = registry.dataset_id(info.examples)
    if scope is not None:
        if (info.role, dataset_id) in scope.sent_datasets:
            return dataset_id
        scope.sent_datasets.add((info.role, dataset_id))
    attributes: dict[str, AttributeValue] = {
        semconv.DSPY_OPERATION_NAME: "dataset",
        semconv.DSPY_DATASET_ROLE: info.role,
        semconv.DSPY_DATASET_ID: dataset_id,
        semconv.DSPY_DATASET_NAME: info.name,
        semconv.DSPY_DATASET_SIZE: len(rows),
        semconv.DSPY_DATASET_FIELDS: field_names(rows),
    }
    if scope is not None:
        attributes[semconv.DSPY_COMPILE_ID] = scope.id
    span = telemetry.tracer.start_span(
        semconv.SPAN_DSPY_DATASET.format(info.role), context=set_span_in_context(parent), attributes=attributes
    )
    if telemetry.settings.capture_datasets and (scope is None or not scope.rows_known(ids)):
        telemetry.put_content_payload(span, semconv.DSPY_DATASET_ROWS, rows, whole=True)
        if scope is not None:
            scope.sent_rows |= ids
    telemetry.end_span(span)
    return dataset_id


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
        mark_failed(span, error, telemetry.content)
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
