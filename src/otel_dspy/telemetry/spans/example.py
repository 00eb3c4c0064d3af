"""Spans of the examples of an evaluation, as linked roots or child spans. `example_result` ends them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    SpanContext,
    set_span_in_context,
)

from otel_dspy import semconv
from otel_dspy.settings import TraceShape
from otel_dspy.telemetry.call_context import call_context_in, inside
from otel_dspy.telemetry.random_source import chance, random_id
from otel_dspy.telemetry.spans.metric import MetricGate, named_after
from otel_dspy.telemetry.tallies.lm_roles import JUDGE
from otel_dspy.telemetry.tallies.usage_tally import UsageTally

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import EvaluateScope


@dataclass(slots=True)
class ExampleScope:
    """State of an open example."""

    evaluation: EvaluateScope
    place: int
    """Place in the evaluation."""
    index: int
    """`dspy.example.index`, which is another number in a minibatch."""
    example: object
    span: Span
    context: Context
    usage: UsageTally
    metric: MetricGate | None = None


def open_example(
    telemetry: Telemetry, evaluation: EvaluateScope, place: int, example: object, program: int | None = None
) -> ExampleScope:
    """Start an example's span: a root linked to the evaluation, or the evaluation's child.

    Args:
        telemetry: the telemetry facade.
        evaluation: the evaluation.
        place: place of the example in it.
        example: the user's example.
        program: as in `EvaluateInfo`, if the evaluation runs several programs.
    """
    if evaluation.evaluated is not None:
        with evaluation.lock:
            evaluation.evaluated[place] = example
    index = evaluation.index(place, example)
    attributes: dict[str, AttributeValue] = {
        semconv.DSPY_OPERATION_NAME: "example",
        semconv.DSPY_EXAMPLE_INDEX: index,
        **evaluation.belonging,
    }
    name = named_after(semconv.SPAN_DSPY_EXAMPLE, evaluation.metric_name)
    usage = UsageTally(evaluation.usage)
    call_context = call_context_in(evaluation.context)
    program = evaluation.program if program is None else program
    # All direct calls of an example other than the program are made by the metric.
    role = call_context.role if program is None else JUDGE
    if call_context.role is JUDGE:
        program = None  # an evaluation inside a metric has the role `judge` throughout
    if telemetry.settings.trace_shape is TraceShape.NESTED:
        span = telemetry.tracer.start_span(name, context=evaluation.context, attributes=attributes)
    elif _is_recorded(evaluation.span) and _kept(telemetry.settings.example_ratio):
        span = telemetry.tracer.start_span(
            name,
            context=set_span_in_context(INVALID_SPAN, evaluation.context),
            attributes=attributes,
            links=[Link(evaluation.span.get_span_context())],
        )
    else:
        span = _dropped_span()
    metric = None
    if (program is not None or evaluation.metric_is_instrumented) and evaluation.metric_name is not None:
        metric = MetricGate(telemetry, evaluation.metric_name, span, program)
    within = inside(span, call_context.in_example(usage, role, program, metric), evaluation.context)
    return ExampleScope(evaluation, place, index, example, span, within, usage, metric)


def _is_recorded(evaluation: Span) -> bool:
    """Return whether consumers receive the evaluation: a root that nothing explains would be a run that never ends."""
    context = evaluation.get_span_context()
    return not context.is_valid or context.trace_flags.sampled or evaluation.is_recording()


def _kept(ratio: float) -> bool:
    return ratio >= 1 or chance.random() < ratio


def _dropped_span() -> Span:
    # Without flags it is not sampled: no parent-based sampler (the SDK's default) records the spans of the example,
    # while the hooks still add its tokens and scores to the spans that are sampled.
    return NonRecordingSpan(SpanContext(random_id(128), random_id(64), is_remote=False))
