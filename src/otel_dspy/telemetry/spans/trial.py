"""Span of a trial, a candidate or one evaluation of it: its start, its attributes and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.context import get_current
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE

from otel_dspy import semconv
from otel_dspy.serialization.plain_data import number, plain
from otel_dspy.telemetry.call_context import CallContext, call_context_in, inside
from otel_dspy.telemetry.emitter import now
from otel_dspy.telemetry.exceptions import error_type, mark_failed
from otel_dspy.telemetry.instruments import UNSPANNED
from otel_dspy.telemetry.open_scopes import TrialScope
from otel_dspy.telemetry.parameter_attributes import parameter_attributes
from otel_dspy.telemetry.spans.setup import put_program
from otel_dspy.telemetry.spans.trial_info import Scope, TrialKind, TrialState
from otel_dspy.telemetry.tallies.leaderboard import Entry
from otel_dspy.telemetry.tallies.usage_tally import UsageTally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope
    from otel_dspy.telemetry.spans.trial_info import TrialInfo, TrialOutcome
    from otel_dspy.telemetry.tallies.leaderboard import Standing


def open_trial(telemetry: Telemetry, scope: CompileScope, context: Context | None = None) -> TrialScope:
    """Start a trial span under the compile, or under its phase in the given or current context.

    Args:
        telemetry: the emitter of spans, events and metrics.
        scope: the enclosing compile.
        context: the context to start the span in.
    """
    index = scope.next_index()
    context = get_current() if context is None else context
    if call_context_in(context).compile is not scope:
        context = scope.context
    span = telemetry.tracer.start_span(
        semconv.SPAN_DSPY_TRIAL.format(scope.optimizer_name),
        context=context,
        attributes=_identity(scope, index),
    )
    usage = UsageTally(scope.usage)
    trial = TrialScope(scope, index, span, usage, now())
    trial.context = inside(span, CallContext(compile=scope, trial=trial, usage=usage), context)
    return trial


def _identity(scope: CompileScope, index: int) -> dict[str, AttributeValue]:
    return {
        semconv.DSPY_OPERATION_NAME: "trial",
        semconv.DSPY_COMPILE_ID: scope.id,
        semconv.DSPY_OPTIMIZER_NAME: scope.optimizer_name,
        semconv.DSPY_TRIAL_INDEX: index,
    }


def close_trial(telemetry: Telemetry, trial: TrialScope, info: TrialInfo, outcome: TrialOutcome) -> None:
    """End a trial's span with the optimizer's data and the result.

    Args:
        telemetry: the emitter of spans, events and metrics.
        trial: the trial to end.
        info: the optimizer's data about the trial.
        outcome: its score or error.
    """
    try:
        _record_trial(telemetry, trial, info, outcome)
        # A span that exceeds the SDK's attribute limit (128) drops its oldest attributes. In MIPROv2 a program of 60
        # predictors has that many parameters: some of them may be dropped, but not the trial's identity.
        trial.span.set_attributes(_identity(trial.compile, trial.index))
    finally:
        telemetry.end_span(trial.span)


def _record_trial(telemetry: Telemetry, trial: TrialScope, info: TrialInfo, outcome: TrialOutcome) -> None:
    scope, span = trial.compile, trial.span
    error = outcome.error or trial.error
    trial.usage.close()
    score = number(outcome.score)  # the type of an optimizer's mean is that of the metric's values
    state = outcome.state or (TrialState.COMPLETE if error is None else TrialState.FAIL)
    failed = error is not None or state is TrialState.FAIL
    standing = scope.leaderboard.enter(
        Entry(
            index=trial.index,
            score=score,
            failed=failed,
            program_id=None if outcome.program is None else outcome.program.id,
            key=info.key,
        ),
        full=info.scope is Scope.FULL,
        baseline=info.kind is TrialKind.BASELINE,
        competes=info.competes,
    )
    initial = info.kind is TrialKind.BASELINE and score is not None and not failed
    scope.initial_scores.trial_ended(trial.index, initial=initial)
    scope.parent_scores.trial_ended(trial.index)
    attributes: dict[str, AttributeValue] = {
        # First, because the oldest attributes are dropped first; see `close_trial`.
        **parameter_attributes(semconv.DSPY_TRIAL_PARAMETER, info.parameters, telemetry.secrets),
        **{
            semconv.DSPY_TRIAL_MEASURE + name: measure
            for name, value in info.measures.items()
            if (measure := number(value)) is not None
        },
        semconv.DSPY_TRIAL_KIND: info.kind.value,
        semconv.DSPY_TRIAL_SCOPE: info.scope.value,
        semconv.DSPY_TRIAL_STATE: state.value,
        semconv.DSPY_TRIAL_IS_BEST: standing.is_best,
        **trial.usage.split_attributes(),
        **trial.usage.examples.attributes(),
        **scope.usage.compile_attributes(),
    }
    if info.label is not None:
        attributes[semconv.DSPY_TRIAL_LABEL] = info.label
    if info.reason is not None:
        attributes[semconv.DSPY_TRIAL_REASON] = telemetry.secrets.scrub(info.reason)
    if info.derived:
        attributes[semconv.DSPY_TRIAL_DERIVED] = True
    if info.parent_program_ids:
        attributes[semconv.DSPY_PROGRAM_PARENT_IDS] = list(info.parent_program_ids)
    if standing.best_score is not None:
        attributes[semconv.DSPY_TRIAL_BEST_SCORE] = standing.best_score
    if score is not None:
        scope.score_unit = outcome.unit.value
        attributes[semconv.DSPY_TRIAL_SCORE] = score
        attributes[semconv.DSPY_TRIAL_SCORE_UNIT] = outcome.unit.value
        if (examples := trial.evaluated.get(info.scope.value)) is not None:
            attributes[semconv.DSPY_EVALUATE_NUM_EXAMPLES] = examples
        if standing.initial_score is not None:
            attributes[semconv.DSPY_COMPILE_INITIAL_SCORE] = standing.initial_score
    span.set_attributes(attributes)
    put_program(telemetry, scope, span, outcome.program)
    _put_tables(telemetry, span, info)
    failure: dict[str, AttributeValue] = {}
    if error is not None:
        failure[ERROR_TYPE] = error_type(error)
        mark_failed(span, error, telemetry.content, control=True)
    outcome_attributes: dict[str, AttributeValue] = {
        semconv.DSPY_TRIAL_KIND: info.kind.value,
        semconv.DSPY_TRIAL_STATE: state.value,
        **failure,
    }
    _emit_signals(telemetry, trial, score, standing, outcome_attributes)


def _emit_signals(
    telemetry: Telemetry,
    trial: TrialScope,
    score: float | None,
    standing: Standing,
    outcome_attributes: Mapping[str, AttributeValue],
) -> None:
    """Emit the trial's log event and record its metrics."""
    scope = trial.compile
    completed: dict[str, AttributeValue] = {
        semconv.DSPY_COMPILE_ID: scope.id,
        semconv.DSPY_OPTIMIZER_NAME: scope.optimizer_name,
        semconv.DSPY_TRIAL_INDEX: trial.index,
        **outcome_attributes,
    }
    timed: dict[str, AttributeValue] = {semconv.DSPY_OPTIMIZER_NAME: scope.optimizer_name}
    scored = dict(timed)
    if ERROR_TYPE in outcome_attributes:
        timed[ERROR_TYPE] = outcome_attributes[ERROR_TYPE]
    if scope.metric_name is not None:
        scored[semconv.DSPY_METRIC_NAME] = scope.metric_name
    if score is not None:
        completed[semconv.DSPY_TRIAL_SCORE] = score
        telemetry.instruments.trial_score.set(score, scored, UNSPANNED)
    if standing.is_best and standing.best_score is not None:
        telemetry.instruments.compile_best_score.set(standing.best_score, scored, UNSPANNED)
    telemetry.events.emit(semconv.EVENT_DSPY_TRIAL_COMPLETED, trial.span, completed)
    telemetry.instruments.trial_duration.record(now() - trial.started, timed, trial.context)


def _put_tables(telemetry: Telemetry, span: Span, info: TrialInfo) -> None:
    tables: dict[str, object] = {
        semconv.DSPY_TRIAL_CANDIDATE: info.candidate if telemetry.settings.capture_programs else None,
        semconv.DSPY_TRIAL_SCORES: info.scores,
        semconv.DSPY_TRIAL_PARETO_FRONT: info.pareto_front,
    }
    for name, table in tables.items():
        if table is not None:
            telemetry.put_content_payload(span, name, plain(table))
