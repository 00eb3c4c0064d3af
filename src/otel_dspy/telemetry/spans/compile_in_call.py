"""Span of a compile that runs inside a program's call. It is not recorded as an optimization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.context import get_current

from otel_dspy import semconv
from otel_dspy.telemetry.call_context import CallContext, call_context_in, inside
from otel_dspy.telemetry.exceptions import mark_failed
from otel_dspy.telemetry.spans import compile as compile_spans
from otel_dspy.telemetry.tallies.usage_tally import UsageTally

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.spans.compile import CompileInfo


@dataclass(slots=True)
class CompileInCall:
    """State of an open compile inside a call."""

    span: Span
    context: Context
    usage: UsageTally


def open_compile_in_call(telemetry: Telemetry, info: CompileInfo) -> CompileInCall:
    """Start the span. Calls inside belong to no compile; their usage is added to that of the enclosing call."""
    context = get_current()
    call_context = call_context_in(context)
    attributes: dict[str, AttributeValue] = {
        semconv.DSPY_OPERATION_NAME: "compile",
        semconv.DSPY_COMPILE_ID: compile_spans.new_compile_id(),
        semconv.DSPY_COMPILE_IN_CALL: True,
        semconv.DSPY_OPTIMIZER_NAME: info.optimizer_name,
        semconv.DSPY_PROGRAM_NAME: info.program_name,
    }
    if info.metric_name is not None:
        attributes[semconv.DSPY_METRIC_NAME] = info.metric_name
    span = telemetry.tracer.start_span(semconv.SPAN_DSPY_COMPILE.format(info.optimizer_name), attributes=attributes)
    usage = UsageTally(call_context.usage)
    inner = CallContext(
        usage=usage,
        module_paths=call_context.module_paths,
        predictor=call_context.predictor,
        role=call_context.role,
        program=call_context.program,
        within_example=call_context.within_example,
    )
    return CompileInCall(span, inside(span, inner, context), usage)


def close_compile_in_call(telemetry: Telemetry, compiling: CompileInCall, error: BaseException | None) -> None:
    """End the span with its usage, and with the error if the compile raised.

    Args:
        telemetry: the emitter of spans, events and metrics.
        compiling: the compile to end.
        error: what it raised, if anything.
    """
    try:
        compiling.usage.close()
        compiling.span.set_attributes({semconv.DSPY_COMPILE_TRIAL_COUNT: 0, **compiling.usage.split_attributes()})
        if error is not None:
            mark_failed(compiling.span, error, telemetry.content)
    finally:
        telemetry.end_span(compiling.span)
