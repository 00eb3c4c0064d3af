"""Span of a metric, created only if the metric makes calls or raises.

DSPy calls the program and the metric in one function. The metric's span starts at the end of the program's call, or at
the call of the metric if that is instrumented (`begin`); it is created by the metric's first call.
"""

from __future__ import annotations

import threading
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from opentelemetry.trace import get_current_span, set_span_in_context

from otel_dspy import semconv
from otel_dspy.telemetry.call_context import call_context_in, inside

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.telemetry.emitter import Telemetry


class MetricGate:
    """Assigns the direct calls of an example to its metric, except the call of the program.

    Args:
        telemetry: the telemetry facade.
        name: `dspy.metric.name`.
        example: the example's span.
        program: `id` of the program; None if its calls are not instrumented and the metric starts with `begin`.
    """

    def __init__(self, telemetry: Telemetry, name: str, example: Span, program: int | None) -> None:
        self._telemetry = telemetry
        self._name = name
        self._example = example
        self._program = program
        self._lock = threading.Lock()
        self._began: int | None = None
        self._span: Span | None = None

    def enter(self, context: Context, called: object) -> Context:
        """Return the context inside the metric's span, or the given one for the program's call."""
        # Calls under a span of the user keep that parent.
        if id(called) == self._program or get_current_span(context) is not self._example:
            return context
        if self._program is None and self._began is None:
            return context  # a call of the program
        return inside(self._open(context), call_context_in(context)._replace(gate=None), context)

    def begin(self) -> None:
        """Record the start of the metric."""
        self._began = time.time_ns()

    def leave(self, called: object, error: BaseException | None) -> None:
        """Record the start of the metric when the program returns; later exceptions are the metric's."""
        if id(called) == self._program and error is None:
            self.begin()

    def close(self, error: BaseException | None) -> None:
        """End the metric's span when the example ends."""
        if self._began is None:
            error = None  # raised by the program
        if error is not None:
            self._open(set_span_in_context(self._example))
        if self._span is not None:
            self._telemetry.end_span(self._span, error)

    def _open(self, context: Context) -> Span:
        with self._lock:
            if self._span is None:
                self._span = self._telemetry.tracer.start_span(
                    semconv.SPAN_DSPY_METRIC.format(self._name),
                    context=context,
                    attributes={semconv.DSPY_OPERATION_NAME: "metric", semconv.DSPY_METRIC_NAME: self._name},
                    start_time=self._began,
                )
            return self._span


def metric_attribute(name: str | None) -> dict[str, AttributeValue]:
    """Return `dspy.metric.name`; empty without a metric."""
    return {} if name is None else {semconv.DSPY_METRIC_NAME: name}


@lru_cache(maxsize=256)  # called for every example
def named_after(pattern: str, metric_name: str | None) -> str:
    """Return a span name of the contract with the metric's name, if there is one."""
    return pattern.format(metric_name or "").rstrip()
