"""Hook for the examples of an evaluation: an `example` span around the program call and the metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from typing_extensions import override

from otel_dspy.hooks.metric.metric_values import as_score, feedback_of, label_of, objectives_of
from otel_dspy.hooks.patching.call_hook import CallHook
from otel_dspy.hooks.patching.wrapper_frames import forwarding
from otel_dspy.telemetry.spans.example import open_example
from otel_dspy.telemetry.spans.example_result import ExampleOutcome, close_example

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.context import Context

    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import EvaluateScope


def instrument_examples(
    telemetry: Telemetry, evaluation: EvaluateScope, function: Callable[[Any], Any], data: Sequence[Any]
) -> tuple[Callable[[Any], Any], Sequence[Any]]:
    """Return Evaluate's per-example function with a span around each call, and the examples to pass to it.

    Args:
        telemetry: the emitter of spans, events and metrics.
        evaluation: the enclosing evaluation.
        function: Evaluate's function for one example.
        data: the examples.
    """
    budget = None if evaluation.compile is None else evaluation.compile.budget

    def instrumented(indexed: _IndexedExample) -> Any:
        if budget is not None:
            budget.raise_if_stopped()
        hook = _ExampleHook(telemetry, evaluation, indexed)
        with hook:
            return hook.returned(function(indexed.example))

    return forwarding(instrumented), _IndexedExamples(data)


class _IndexedExample:
    """Example with its position in the evaluated list, which DSPy does not pass to its function.

    The position cannot be found by the example: it may occur twice, and DSPy runs stragglers again. Its text is that of
    the example, because DSPy writes items to its log.
    """

    __slots__ = ("example", "position")

    def __init__(self, position: int, example: Any) -> None:
        self.position = position
        self.example = example

    @override
    def __repr__(self) -> str:
        return repr(self.example)

    @override
    def __str__(self) -> str:
        return str(self.example)

    @override
    def __format__(self, format_spec: str) -> str:
        return format(self.example, format_spec)


class _IndexedExamples(Sequence[Any]):
    """Lazy sequence of the user's examples with their positions."""

    def __init__(self, data: Sequence[Any]) -> None:
        self._data = data

    @override
    def __len__(self) -> int:
        return len(self._data)

    @override
    def __iter__(self) -> Iterator[_IndexedExample]:
        return (_IndexedExample(position, example) for position, example in enumerate(self._data))

    @override
    def __getitem__(self, position: Any) -> Any:
        found = self._data[position]
        if isinstance(position, slice):
            return [_IndexedExample(at, one) for at, one in zip(range(len(self._data))[position], found, strict=True)]
        return _IndexedExample(position, found)


class _ExampleHook(CallHook):
    part = "the span of an example"

    def __init__(self, telemetry: Telemetry, evaluation: EvaluateScope, indexed: _IndexedExample) -> None:
        self._telemetry = telemetry
        self._evaluation = evaluation
        self._indexed = indexed
        self._prediction: object = None
        self._score: Any = None

    @override
    def open(self) -> Context:
        self._scope = open_example(self._telemetry, self._evaluation, self._indexed.position, self._indexed.example)
        return self._scope.context

    @override
    def record_result(self, result: Any) -> None:
        # ReAnchor's function returns the score alone.
        prediction, score = cast("tuple[Any, Any]", result) if isinstance(result, tuple) else (None, result)
        if isinstance(prediction, tuple):
            parts = cast("tuple[Any, ...]", prediction)
            # bootstrap_trace_data makes a program return (prediction, trace); any other tuple is the program's output.
            prediction = parts[0] if [type(part) for part in parts[1:]] == [list] else parts
        self._prediction = prediction
        if self._evaluation.metric_name is not None:  # see `scoring_metric`
            self._score = score

    @override
    def close(self, error: BaseException | None) -> None:
        outcome = ExampleOutcome(
            prediction=self._prediction,
            score=as_score(self._score),
            feedback=feedback_of(self._score),
            label=label_of(self._score),
            objectives=objectives_of(self._score),
            error=error,
        )
        close_example(self._telemetry, self._scope, outcome)
