"""Examples of an evaluation: program call and metric together, one `example` span each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

from typing_extensions import override

from otel_dspy.hooks.around import Watch
from otel_dspy.hooks.frames import forwarding
from otel_dspy.plain import number
from otel_dspy.telemetry.example_spans import ExampleOutcome, close_example, open_example

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.context import Context

    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.scopes import EvaluateScope

_MOST_OBJECTIVES: Final = 100
_TRUTH_VALUES: Final = {("numpy", "bool"), ("numpy", "bool_")}
"""numpy's truth value, by the names of numpy 2 and 1: numpy is not imported for it."""


def watched_examples(
    telemetry: Telemetry, evaluation: EvaluateScope, function: Callable[[Any], Any], data: Sequence[Any]
) -> tuple[Callable[[Any], Any], Sequence[Any]]:
    """Evaluate's own per-example function with a watch around each call, and the examples as it takes them."""

    def watched(placed: _Placed) -> Any:
        watch = _ExampleWatch(telemetry, evaluation, placed)
        with watch:
            return watch.returned(function(placed.example))

    return forwarding(watched), _PlacedExamples(data)


class _Placed:
    """An example and where it stands in the evaluated list, which DSPy doesn't tell its function.

    The example alone does not tell: it may stand there twice, and a straggler is run again. What DSPy itself does with
    an item is to write it into its log, where this reads as the example.
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


class _PlacedExamples(Sequence[Any]):
    """The user's examples, each with its place, made as they are asked for."""

    def __init__(self, data: Sequence[Any]) -> None:
        self._data = data

    @override
    def __len__(self) -> int:
        return len(self._data)

    @override
    def __iter__(self) -> Iterator[_Placed]:
        return (_Placed(position, example) for position, example in enumerate(self._data))

    @override
    def __getitem__(self, position: Any) -> Any:
        found = self._data[position]
        if isinstance(position, slice):
            return [_Placed(at, one) for at, one in zip(range(len(self._data))[position], found, strict=True)]
        return _Placed(position, found)


class _ExampleWatch(Watch):
    part = "the span of an example"

    def __init__(self, telemetry: Telemetry, evaluation: EvaluateScope, placed: _Placed) -> None:
        self._telemetry = telemetry
        self._evaluation = evaluation
        self._placed = placed
        self._prediction: object = None
        self._score: Any = None

    @override
    def open(self) -> Context:
        self._scope = open_example(self._telemetry, self._evaluation, self._placed.position, self._placed.example)
        return self._scope.context

    @override
    def see(self, result: Any) -> None:
        # ReAnchor's function gives the score alone.
        prediction, score = cast("tuple[Any, Any]", result) if isinstance(result, tuple) else (None, result)
        if isinstance(prediction, tuple):
            parts = cast("tuple[Any, ...]", prediction)
            # bootstrap_trace_data makes a program return (prediction, trace); any other tuple is an answer.
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


def as_score(value: Any) -> float | None:
    """What a metric returned (number, bool, or a Prediction with a score) as a number; None where it is neither."""
    try:
        return number(getattr(value, "score", value))
    except Exception:
        return None


def feedback_of(value: Any) -> str | None:
    """The feedback text that a metric returned beside its score; None also where it is an object that raises."""
    try:
        feedback = getattr(value, "feedback", None)
        return None if feedback is None else str(feedback)
    except Exception:
        return None


def label_of(value: Any) -> str | None:
    """`pass` or `fail` for a metric that returned a truth value (numpy's included), None for any other."""
    try:
        verdict = getattr(value, "score", value)
        kind = type(cast("object", verdict))
        if kind is not bool and (kind.__module__, kind.__name__) not in _TRUTH_VALUES:
            return None
        label = "pass" if verdict else "fail"
    except Exception:
        return None
    return label


def objectives_of(value: Any) -> Mapping[str, float]:
    """The `objective_scores` that a metric returned beside its score, by name: the first 100 that are numbers.

    Empty where there are none, also where the value is an object that raises.
    """
    try:
        if isinstance(value, dict):
            held = cast("dict[str, Any]", value).get("objective_scores")
        else:
            held = getattr(cast("object", value), "objective_scores", None)
        if not isinstance(held, Mapping):
            return {}
        scores = cast("Mapping[object, object]", held).items()
        found = {str(name): number(score) for name, score in islice(scores, _MOST_OBJECTIVES)}
        return {name: score for name, score in found.items() if score is not None}
    except Exception:
        return {}
