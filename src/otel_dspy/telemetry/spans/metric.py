"""A metric's span: only where the metric makes calls itself or raises, so that a plain one adds nothing to a trace.

DSPy calls program and metric in one function of its own. The metric's time begins where the program's call ends, or
where it is called itself (`begin`), and its span is started by the first call that it makes.
"""

from __future__ import annotations

import threading
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from opentelemetry.trace import get_current_span, set_span_in_context

from otel_dspy import semconv
from otel_dspy.telemetry.call_context import call_context_in, inside
from otel_dspy.telemetry.failure import mark_failed

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.telemetry.emitter import Telemetry


class MetricGate:
    """Stands before the calls that are made directly in an example: what is not the program is the metric's.

    Args:
        telemetry: where it is told.
        name: `dspy.metric.name`.
        example: the example's span.
        program: the `id` of the program; None where nobody sees its call, and the gate opens with `begin`.
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
        """The context given, inside of the metric's span, unless it is the program that is called."""
        # Under a span of the user's own the metric's calls stay where the user put them.
        if id(called) == self._program or get_current_span(context) is not self._example:
            return context
        if self._program is None and self._began is None:
            return context  # the program calls
        return inside(self._open(context), call_context_in(context)._replace(gate=None), context)

    def begin(self) -> None:
        """The metric is called."""
        self._began = time.time_ns()

    def leave(self, called: object, error: BaseException | None) -> None:
        """The program has answered: what is raised from now on, the metric raises."""
        if id(called) == self._program and error is None:
            self.begin()

    def close(self, error: BaseException | None) -> None:
        """The example has ended."""
        if self._began is None:
            error = None  # it is the program's
        if error is not None:
            self._open(set_span_in_context(self._example))
        if self._span is not None:
            if error is not None:
                mark_failed(self._span, error, self._telemetry.content)
            self._span.end()

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
    """`dspy.metric.name`, where there is a metric."""
    return {} if name is None else {semconv.DSPY_METRIC_NAME: name}


@lru_cache(maxsize=256)  # every example asks
def named_after(pattern: str, metric_name: str | None) -> str:
    """A span's name of the contract that has the metric's in it, if there is one."""
    return pattern.format(metric_name or "").rstrip()
