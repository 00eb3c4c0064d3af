"""Where an evaluation's metric begins, if nobody sees the program's call end: a function, or a `__call__` of its own.

Evaluate calls both in one function of its own (`process_item` of dspy/evaluate/evaluate.py) and holds the metric in it.
That function is made again, with a metric that says when it is called.
"""

from __future__ import annotations

from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any

from opentelemetry.context import attach, detach, get_current

from otel_dspy.hooks.patching.frames import drop_caller_frame, forwarding
from otel_dspy.runtime.guard import guarded
from otel_dspy.telemetry.call_context import at, call_context_in
from otel_dspy.telemetry.spans.metric import MetricGate
from otel_dspy.telemetry.usage import JUDGE

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

    from opentelemetry.context import Context

_HELD_AS = "metric"


def with_heard_metric(function: Callable[[Any], Any]) -> Callable[[Any], Any] | None:
    """The same function with a metric that says when it is called; None where it holds none."""
    if not isinstance(function, FunctionType) or _HELD_AS not in function.__code__.co_freevars:
        return None
    cells = list(function.__closure__ or ())
    position = function.__code__.co_freevars.index(_HELD_AS)
    cells[position] = CellType(_heard(cells[position].cell_contents))
    made = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, tuple(cells))
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _heard(metric: Callable[..., Any]) -> Callable[..., Any]:
    def heard(*args: Any, **kwargs: Any) -> Any:
        token = _begin()
        try:
            return metric(*args, **kwargs)
        except BaseException as error:
            drop_caller_frame(error)
            raise
        finally:
            if token is not None:
                detach(token)

    return forwarding(heard)


def _begin() -> Token[Context] | None:
    with guarded("the beginning of a metric"):
        context = get_current()
        place = call_context_in(context)
        if isinstance(place.gate, MetricGate):
            place.gate.begin()
            return attach(at(place._replace(role=JUDGE), context))
    return None
