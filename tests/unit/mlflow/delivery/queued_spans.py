"""Ended spans and routes for tests of the queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from otel_dspy.mlflow.records.route import Destination, Experiment, Options, Route, TraceContext

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.mlflow.records.route import RootKind

ROOT: Final = 1
"""Number of a trace's root span."""


def route(kind: RootKind, trace: int) -> Route:
    """A route to nowhere."""
    context = TraceContext(trace_id=f"{trace:032x}", root_id=f"{ROOT:016x}", kind=kind)
    return Route(Destination("nowhere", Experiment()), context, Options())


def span(trace: int, number: int, **attributes: AttributeValue) -> ReadableSpan:
    """An ended span."""
    context = SpanContext(trace, number, is_remote=False, trace_flags=TraceFlags(1))
    return ReadableSpan(f"{trace}/{number}", context, attributes=attributes, start_time=1, end_time=2)
