"""Examples of an evaluation: program call and metric together, one `example` span each."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from typing_extensions import override

from otel_dspy.hooks.around import Watch
from otel_dspy.hooks.frames import forwarding
from otel_dspy.telemetry.evaluate_spans import ExampleOutcome, close_example, open_example

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.context import Context

    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.scopes import EvaluateScope


def watched_examples(
    telemetry: Telemetry, evaluation: EvaluateScope, function: Callable[[Any], Any], data: Sequence[Any]
) -> Callable[[Any], Any]:
    """Evaluate's own per-example function with a watch around each call."""
    positions = _Positions(data)

    def watched(example: Any) -> Any:
        watch = _ExampleWatch(telemetry, evaluation, positions, example)
        with watch:
            return watch.returned(function(example))

    return forwarding(watched)


class _Positions:
    """Where an example stands in the evaluated list, which DSPy doesn't tell its function.

    The same object may stand there twice, and a straggler is run again: then its last position is given again.
    """

    def __init__(self, data: Sequence[Any]) -> None:
        self._lock = threading.Lock()
        self._free: dict[int, deque[int]] = {}
        for position, example in enumerate(data):
            self._free.setdefault(id(example), deque()).append(position)

    def take(self, example: Any) -> int:
        with self._lock:
            free = self._free[id(example)]
            return free.popleft() if len(free) > 1 else free[0]


class _ExampleWatch(Watch):
    part = "the span of an example"

    def __init__(self, telemetry: Telemetry, evaluation: EvaluateScope, positions: _Positions, example: Any) -> None:
        super().__init__()
        self._telemetry = telemetry
        self._evaluation = evaluation
        self._positions = positions
        self._example = example
        self._outcome = ExampleOutcome()

    @override
    def open(self) -> Context:
        position = self._positions.take(self._example)
        self._scope = open_example(self._telemetry, self._evaluation, position, self._example)
        return self._scope.context

    @override
    def see(self, result: Any) -> None:
        # ReAnchor's function gives the score alone.
        prediction, score = cast("tuple[Any, Any]", result) if isinstance(result, tuple) else (None, result)
        if isinstance(prediction, tuple):
            # bootstrap_trace_data makes a program return (prediction, trace).
            prediction = cast("tuple[Any, ...]", prediction)[0]
        if self._evaluation.metric_name is None:
            self._outcome = ExampleOutcome(prediction=prediction)  # see `scoring_metric`
        else:
            self._outcome = ExampleOutcome(prediction=prediction, score=as_score(score), feedback=feedback_of(score))

    @override
    def close(self, error: BaseException | None) -> None:
        close_example(self._telemetry, self._scope, replace(self._outcome, error=error))


def as_score(value: Any) -> float | None:
    """What a metric returned (number, bool, or a Prediction with a score) as a number; None where it is neither."""
    inner = getattr(value, "score", value)
    try:
        return float(inner)
    except (TypeError, ValueError):
        return None


def feedback_of(value: Any) -> str | None:
    """The feedback text that a metric returned beside its score."""
    feedback = getattr(value, "feedback", None)
    return None if feedback is None else str(feedback)
