"""Start of the metric for programs whose calls are not recorded: functions, and modules with their own `__call__`.

Evaluate calls the program and the metric in one closure (`process_item` of dspy/evaluate/evaluate.py). The closure is
copied, with a wrapped metric that opens the metric span when it is called.
"""

from __future__ import annotations

from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any

from opentelemetry.context import attach, detach, get_current

from otel_dspy.hooks.patching.wrapper_frames import forwarding, hidden_frame
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.telemetry.call_context import call_context_in, with_call_context
from otel_dspy.telemetry.spans.metric import MetricGate
from otel_dspy.telemetry.tallies.lm_roles import JUDGE

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

    from opentelemetry.context import Context

_METRIC_VARIABLE = "metric"


def with_instrumented_metric(function: Callable[[Any], Any]) -> Callable[[Any], Any] | None:
    """Return a copy of the function with an instrumented metric; None if its closure holds no metric."""
    if not isinstance(function, FunctionType) or _METRIC_VARIABLE not in function.__code__.co_freevars:
        return None
    cells = list(function.__closure__ or ())
    position = function.__code__.co_freevars.index(_METRIC_VARIABLE)
    cells[position] = CellType(_instrumented(cells[position].cell_contents))
    made = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, tuple(cells))
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _instrumented(metric: Callable[..., Any]) -> Callable[..., Any]:
    def instrumented(*args: Any, **kwargs: Any) -> Any:
        token = _begin()
        try:
            with hidden_frame:
                return metric(*args, **kwargs)
        finally:
            if token is not None:
                detach(token)

    return forwarding(instrumented)


def _begin() -> Token[Context] | None:
    with guarded("the beginning of a metric"):
        context = get_current()
        call_context = call_context_in(context)
        if isinstance(call_context.gate, MetricGate):
            call_context.gate.begin()
            return attach(with_call_context(call_context._replace(role=JUDGE), context))
    return None
