"""Span of an evaluation, `evaluate`, with the result rows of its examples."""

from __future__ import annotations

from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE

from otel_dspy import semconv
from otel_dspy.formatting.stop_reasons import is_stop
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.datasets import ExampleRegistry
from otel_dspy.telemetry.call_context import call_context_in, inside, parent_context
from otel_dspy.telemetry.emitter import now
from otel_dspy.telemetry.exceptions import error_type, mark_failed
from otel_dspy.telemetry.open_scopes import EvaluateScope
from otel_dspy.telemetry.spans.metric import metric_attribute, named_after
from otel_dspy.telemetry.spans.setup import DatasetInfo, emit_dataset, put_program
from otel_dspy.telemetry.tallies.lm_roles import JUDGE, TASK
from otel_dspy.telemetry.tallies.usage_tally import UsageTally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope
    from otel_dspy.telemetry.spans.trial_info import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateInfo:
    """Data of an evaluation at its start."""

    metric_name: str | None
    program_name: str
    devset: Sequence[Any]
    """Counted, and read only if it is a list or tuple: another may draw its examples, or query them, at each read."""
    scope: Scope
    phase: str | None = None
    """Phase that runs the evaluation, if it is not part of a trial."""
    role: str | None = None
    """`dspy.evaluate.role`, if the trial has several evaluations."""
    program: int | None = None
    """`id` of the program, if its calls are instrumented; calls outside it are made by the metric."""


def open_evaluate(telemetry: Telemetry, info: EvaluateInfo, context: Context | None = None) -> EvaluateScope:
    """Start an evaluate span in the given context; default: the caller's.

    Args:
        telemetry: the emitter of spans, events and metrics.
        info: what is known at the start.
        context: the parent's context.
    """
    context = context or parent_context()
    call_context = call_context_in(context)
    trial_index = call_context.trial.index if call_context.trial is not None else None
    if call_context.trial is not None and call_context.evaluation is None and not call_context.within_example:
        call_context.trial.evaluated[info.scope.value] = len(info.devset)
    belonging = _belonging(info.metric_name, info.program_name, call_context.compile, trial_index)
    if call_context.within_example:
        belonging[semconv.DSPY_EVALUATE_WITHIN_EXAMPLE] = True
    span = telemetry.tracer.start_span(
        named_after(semconv.SPAN_DSPY_EVALUATE, info.metric_name),
        context=context,
        attributes={
            semconv.DSPY_OPERATION_NAME: "evaluate",
            semconv.DSPY_EVALUATE_NUM_EXAMPLES: len(info.devset),
            semconv.DSPY_EVALUATE_SCOPE: info.scope.value,
            **belonging,
        },
    )
    if info.phase is not None:
        span.set_attribute(semconv.DSPY_PHASE_NAME, info.phase)
        if call_context.compile is not None and (earlier := call_context.compile.count_evaluation(info.phase)):
            span.set_attribute(semconv.DSPY_PHASE_INDEX, earlier)
    if info.role is not None:
        span.set_attribute(semconv.DSPY_EVALUATE_ROLE, info.role)
    evaluation = EvaluateScope(
        span=span,
        context=context,
        usage=UsageTally(call_context.usage),
        metric_name=info.metric_name,
        belonging=belonging if info.role is None else {**belonging, semconv.DSPY_EVALUATE_ROLE: info.role},
        compile=call_context.compile,
        examples=call_context.compile.examples if call_context.compile is not None else ExampleRegistry(),
        started=now(),
        program=info.program,
        is_part_of_example=call_context.within_example and call_context.compile is not None,
    )
    inner = call_context._replace(
        evaluation=evaluation,
        usage=evaluation.usage,
        module_paths=None,
        predictor=None,
        role=JUDGE if call_context.role is JUDGE else TASK,
        program=None,
    )
    evaluation.context = inside(span, inner, context)
    if isinstance(info.devset, list | tuple):
        with guarded("the dataset of an evaluation"):
            _record_dataset(telemetry, evaluation, info.devset)
            if evaluation.compile is not None:
                evaluation.devset = tuple(info.devset)
                evaluation.positions = evaluation.examples.positions(evaluation.devset)
    else:
        evaluation.evaluated = {}
    return evaluation


def _record_dataset(telemetry: Telemetry, evaluation: EvaluateScope, examples: Sequence[Any]) -> None:
    if evaluation.compile is not None:
        # The compile's setup has recorded its datasets; a minibatch is a sample of them.
        dataset_id = evaluation.examples.dataset_id(examples)
    else:
        within_example = semconv.DSPY_EVALUATE_WITHIN_EXAMPLE in evaluation.belonging
        dataset = DatasetInfo(role="evaluation", name="devset", examples=examples, within_example=within_example)
        dataset_id = emit_dataset(telemetry, evaluation.span, dataset, evaluation.examples, None)
    evaluation.span.set_attribute(semconv.DSPY_DATASET_ID, dataset_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOutcome:
    """Result of an evaluation: its score in percent, the evaluated program, and the exception if it raised."""

    score: float | None = None
    program: ProgramSnapshot | None = None
    error: BaseException | None = None


def close_evaluate(telemetry: Telemetry, evaluation: EvaluateScope, outcome: EvaluateOutcome) -> None:
    """End an evaluation's span with its score, result rows and usage, and the error if it raised.

    Args:
        telemetry: the emitter of spans, events and metrics.
        evaluation: the evaluation to end.
        outcome: its result or error.
    """
    try:
        _record_evaluation(telemetry, evaluation, outcome)
    finally:
        telemetry.end_span(evaluation.span)


def _record_evaluation(telemetry: Telemetry, evaluation: EvaluateScope, outcome: EvaluateOutcome) -> None:
    score, program, error = outcome.score, outcome.program, outcome.error
    span = evaluation.span
    if evaluation.evaluated is not None:
        with guarded("the dataset of an evaluation"):
            with evaluation.lock:
                evaluated = [evaluation.evaluated[place] for place in sorted(evaluation.evaluated)]
            _record_dataset(telemetry, evaluation, evaluated)
    evaluation.usage.close()
    attributes = evaluation.usage.split_attributes() | evaluation.usage.examples.attributes()
    if score is not None:
        attributes[semconv.DSPY_EVALUATE_SCORE] = score
    span.set_attributes(attributes)
    if evaluation.compile is None:
        put_program(telemetry, None, span, program)
    elif program is not None:
        span.set_attribute(semconv.DSPY_PROGRAM_ID, program.id)
    failure: dict[str, AttributeValue] = {}
    if error is not None:
        failure[ERROR_TYPE] = error_type(error)
        mark_failed(span, error, telemetry.content, control=True)
    telemetry.instruments.evaluate_duration.record(
        now() - evaluation.started, {**metric_attribute(evaluation.metric_name), **failure}, evaluation.context
    )
    # Deferred after the rows of all ended examples. In the caller's context, for the payload spans of large results.
    work = copy_context().run, _record_results, telemetry, evaluation
    telemetry.before_end(span, "the results of an evaluation", *work)


def _record_results(telemetry: Telemetry, evaluation: EvaluateScope) -> None:
    with evaluation.lock:
        rows = [evaluation.rows[index] for index in sorted(evaluation.rows)]
    evaluation.span.set_attribute(semconv.DSPY_EVALUATE_NUM_ERRORS, sum(_has_failed(row) for row in rows))
    means = evaluation.objectives.means()
    evaluation.span.set_attributes({semconv.DSPY_EVALUATE_OBJECTIVE + name: mean for name, mean in means.items()})
    if not evaluation.is_part_of_example:
        telemetry.put_payload(evaluation.span, semconv.DSPY_EVALUATE_RESULTS, telemetry.content.rows(rows))


def _has_failed(row: Mapping[str, Any]) -> bool:
    return "error" in row and not is_stop(row["error"])


def _belonging(
    metric_name: str | None, program_name: str, scope: CompileScope | None, trial_index: int | None
) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {semconv.DSPY_PROGRAM_NAME: program_name, **metric_attribute(metric_name)}
    if scope is not None:
        attributes[semconv.DSPY_COMPILE_ID] = scope.id
        if trial_index is not None:
            attributes[semconv.DSPY_TRIAL_INDEX] = trial_index
    return attributes
