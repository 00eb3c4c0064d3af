"""Result of an example: the end of its span, and its row in the evaluation's results."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.exception_attributes import EXCEPTION_MESSAGE

from otel_dspy import semconv
from otel_dspy.formatting.stop_reasons import is_stop
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.datasets import fields
from otel_dspy.serialization.plain_data import plain
from otel_dspy.telemetry.content.content_json import plain_json
from otel_dspy.telemetry.exceptions import describe, error_type, mark_failed
from otel_dspy.telemetry.instruments import UNSPANNED
from otel_dspy.telemetry.spans.metric import metric_attribute
from otel_dspy.telemetry.tallies.example_tally import ExampleFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.util.types import AnyValue, AttributeValue

    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.spans.example import ExampleScope

_CONTENT: Final = {
    "inputs": semconv.DSPY_EXAMPLE_INPUTS,
    "labels": semconv.DSPY_EXAMPLE_LABELS,
    "prediction": semconv.DSPY_EXAMPLE_PREDICTION,
    "feedback": semconv.DSPY_EXAMPLE_FEEDBACK,
}


class ExampleOutcome(NamedTuple):
    """Result of an example: the prediction, the metric's score as a number and its feedback, or the error.

    `label`: `pass` or `fail`, if the metric returned a boolean.
    `objectives`: additional scores of the metric, by name.
    `further`: additional columns of the result row.
    """

    prediction: object = None
    score: float | None = None
    feedback: str | None = None
    label: str | None = None
    objectives: Mapping[str, float] = MappingProxyType({})
    error: BaseException | None = None
    further: Mapping[str, bool | int] = MappingProxyType({})


def close_example(telemetry: Telemetry, scope: ExampleScope, outcome: ExampleOutcome) -> None:
    """End an example's span and add its row to the evaluation's result.

    An example that was interrupted has no result: it is neither counted as failed nor compared.

    If DSPy ran an example twice (a straggler), the run that ended first provides the row, as in DSPy. The other run is
    marked as repeated, has no score and is not counted.

    Args:
        telemetry: the emitter of spans, events and metrics.
        scope: the example to end.
        outcome: its result or error.
    """
    try:
        if scope.metric is not None:
            with guarded("the span of a metric"):
                scope.metric.close(outcome.error)
        _record_example(telemetry, scope, outcome)
    finally:
        telemetry.end_span(scope.span)


def _record_example(telemetry: Telemetry, scope: ExampleScope, outcome: ExampleOutcome) -> None:
    error, evaluation = outcome.error, scope.evaluation
    row: dict[str, Any] = {}
    with evaluation.lock:
        repeated = evaluation.rows.setdefault(scope.place, row) is not row
    failure: dict[str, AttributeValue] = {}
    found: ExampleFailure | None = None
    interrupted = error is not None and is_stop(error_type(error))
    if error is not None:
        failure[ERROR_TYPE] = error_type(error)
        mark_failed(scope.span, error, telemetry.content)
        message = telemetry.content.message(EXCEPTION_MESSAGE, describe(error))
        scope.span.set_attribute(semconv.DSPY_EXAMPLE_ERROR_MESSAGE, message)
        found = ExampleFailure(error_type(error), message)
    if not (repeated or interrupted):
        evaluation.usage.examples.add(found)
    content = telemetry.settings.capture_content
    scope.usage.close()
    identity = evaluation.examples.example_id(scope.example)
    ended = _EndedExample(
        row=row,
        identity=identity,
        repeated=repeated,
        outcome=outcome,
        numbers=scope.usage.attributes()
        | ({} if repeated or interrupted else _former_scores(scope, identity, outcome)),
        prediction=fields(outcome.prediction) if content and outcome.prediction is not None else None,
        message=describe(error) if content and error is not None else None,
    )
    telemetry.before_end(scope.span, "the record of an example", _record_ended, telemetry, scope, ended)
    if not repeated:
        _emit_signals(telemetry, scope, outcome, failure)


class _EndedExample(NamedTuple):
    """Data of an example at its end.

    `row`: the result row, to be filled. `identity`: `dspy.example.id`. `numbers`: attributes of usage and of the scores
    before optimization and of the parent. `prediction`, `message`: values at the end; None if they are not recorded.
    """

    row: dict[str, Any]
    identity: str
    repeated: bool
    outcome: ExampleOutcome
    numbers: dict[str, AttributeValue]
    prediction: dict[str, Any] | None
    message: str | None


def _record_ended(telemetry: Telemetry, scope: ExampleScope, ended: _EndedExample) -> None:
    outcome, row, examples = ended.outcome, ended.row, scope.evaluation.examples
    row |= {"index": scope.index, "id": ended.identity, **outcome.further}
    attributes: dict[str, AttributeValue] = {semconv.DSPY_EXAMPLE_ID: ended.identity, **ended.numbers}
    if outcome.score is not None:
        row["score"] = plain(outcome.score)
        if not ended.repeated:
            attributes[semconv.DSPY_EXAMPLE_SCORE] = outcome.score
    attributes |= _objectives(scope, ended)
    if telemetry.settings.capture_content:
        given, texts = examples.content(scope.example, lambda: _given(telemetry, examples.split(scope.example)))
        row.update(given)
        for name, text in texts.items():
            # Scrubbed each time, because secrets may have become known since the text was cached.
            telemetry.content.put_redacted(attributes, name, text)
        if ended.prediction is not None:
            _put_content(telemetry, row, attributes, "prediction", ended.prediction)
        if outcome.feedback is not None:
            _put_content(telemetry, row, attributes, "feedback", outcome.feedback)
    if outcome.error is not None:
        row["error"] = error_type(outcome.error)
        if ended.message is not None:
            row["error_message"] = telemetry.content.message(semconv.DSPY_EVALUATE_RESULTS, ended.message)
    if ended.repeated:
        attributes[semconv.DSPY_EXAMPLE_REPEATED] = True
    scope.span.set_attributes(attributes)


def _former_scores(scope: ExampleScope, identity: str, outcome: ExampleOutcome) -> dict[str, AttributeValue]:
    """Return the example's scores before optimization and by the candidate's parent, where these were measured."""
    evaluation = scope.evaluation
    score = 0.0 if outcome.error is not None else outcome.score
    if evaluation.compile is None or evaluation.is_part_of_example or score is None:
        return {}
    index = evaluation.belonging.get(semconv.DSPY_TRIAL_INDEX)
    trial, role = index if isinstance(index, int) else None, evaluation.belonging.get(semconv.DSPY_EVALUATE_ROLE)
    found: dict[str, AttributeValue] = {}
    initial = evaluation.compile.initial_scores.compared(trial, identity, score)
    if initial is not None:
        found[semconv.DSPY_EXAMPLE_INITIAL_SCORE] = initial
    if trial is not None and role is not None:
        parent = evaluation.compile.parent_scores.compared(trial, role, identity, score)
        if parent is not None:
            found[semconv.DSPY_EXAMPLE_PARENT_SCORE] = parent
    return found


def _objectives(scope: ExampleScope, ended: _EndedExample) -> dict[str, AttributeValue]:
    """Add the metric's additional scores to the row and to the evaluation's means; return them as attributes."""
    objectives = ended.outcome.objectives
    if objectives:
        ended.row["objectives"] = {name: plain(value) for name, value in objectives.items()}
    if ended.repeated or not objectives:
        return {}
    scope.evaluation.objectives.add(objectives)
    return {semconv.DSPY_EXAMPLE_OBJECTIVE + name: value for name, value in objectives.items()}


def _emit_signals(
    telemetry: Telemetry, scope: ExampleScope, outcome: ExampleOutcome, failure: Mapping[str, AttributeValue]
) -> None:
    """Emit the example's log event and record its metric."""
    metric_name = scope.evaluation.metric_name
    result: dict[str, AttributeValue] = {"gen_ai.evaluation.name": metric_name or "metric", **failure}
    if outcome.score is not None:
        result["gen_ai.evaluation.score.value"] = outcome.score
    if outcome.label is not None:
        result["gen_ai.evaluation.score.label"] = outcome.label
    if outcome.feedback is not None and telemetry.settings.capture_content:
        explanation = telemetry.content.text("gen_ai.evaluation.explanation", outcome.feedback)
        result["gen_ai.evaluation.explanation"] = explanation
    telemetry.events.emit(semconv.EVENT_GEN_AI_EVALUATION_RESULT, scope.span, result)
    telemetry.instruments.evaluate_examples.add(1, {**metric_attribute(metric_name), **failure}, UNSPANNED)


def _given(telemetry: Telemetry, split: tuple[dict[str, Any], dict[str, Any]]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return an example's inputs and labels, redacted: as columns of its row, and as JSON texts by attribute."""
    row: dict[str, Any] = {}
    texts: dict[str, str] = {}
    inputs, labels = split
    for name, value in (("inputs", inputs), ("labels", labels)):
        redacted = telemetry.content.prepared(_CONTENT[name], value)
        row[name] = telemetry.content.for_row(redacted)
        texts[_CONTENT[name]] = plain_json(redacted)
    return row, texts


def _put_content(
    telemetry: Telemetry, row: dict[str, Any], attributes: dict[str, AttributeValue], name: str, value: AnyValue
) -> None:
    """Add plain data to a row and to attributes."""
    redacted = telemetry.content.prepared(_CONTENT[name], value)
    telemetry.content.put_redacted(attributes, _CONTENT[name], redacted)
    row[name] = telemetry.content.for_row(redacted)
