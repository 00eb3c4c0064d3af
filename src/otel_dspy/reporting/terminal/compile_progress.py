"""A span processor that tracks the outermost compile: its phase, the running trial and the finished trials."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, cast

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from typing_extensions import override

from otel_dspy import semconv
from otel_dspy.reporting.planned_trials import planned_trials
from otel_dspy.reporting.trials.trial_row import NANOSECONDS, ModelUse, below, failure_of_all, trial_row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.reporting.trials.trial_row import TrialRow

INNER: Final = frozenset({semconv.DSPY_COMPILE_PARENT_ID, semconv.DSPY_COMPILE_IN_CALL})
"""Attributes of a compile inside another compile or call."""


@dataclass(frozen=True)
class CompileResult:
    """Result of an ended compile."""

    initial_score: float | None
    best_score: float | None
    unit: str | None
    """`percent` (0-100) or `ratio`."""
    usage: ModelUse
    """Usage of the whole compile, including calls outside of trials."""
    seconds: float
    error: str | None = None
    """Type of the exception that the compile raised, and its message if that is recorded."""
    failure: str | None = None
    """If every example failed: type and message of the first failure."""


@dataclass(frozen=True)
class CompileView:
    """State of a compile at one point in time."""

    compile_id: str
    optimizer: str
    program: str
    phase: str | None = None
    planned: int | None = None
    """Planned number of trials, if known."""
    running: int | None = None
    """Index of the running trial."""
    examples: int = 0
    """Number of finished examples of that trial."""
    trials: tuple[TrialRow, ...] = ()
    """Finished trials in the order of their ends."""
    ended: bool = False
    expected_calls: tuple[int, int | None] | None = field(default=None, compare=False)
    """Forecast of LM calls: fewest and most; None without a forecast, most None without a bound."""
    result: CompileResult | None = field(default=None, compare=False)

    @property
    def best(self) -> TrialRow | None:
        """The trial that improved the best score last; None before any full-scope score."""
        return next((row for row in reversed(self.trials) if row.leads), None)


class CompileWatch(SpanProcessor):
    """Span processor that tracks the outermost compile that started last.

    `on_change` is called after each change, on the thread that starts or ends the span; it must be fast and not raise.
    """

    def __init__(self, on_change: Callable[[CompileView], None] | None = None) -> None:
        self._lock = threading.Lock()
        self._view: CompileView | None = None
        self._on_change = on_change

    @property
    def view(self) -> CompileView | None:
        """Current state of the compile, None before the first one. Thread-safe."""
        return self._view

    @override
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        attributes = span.attributes or {}
        self._change(lambda: self._started(attributes))

    @override
    def on_end(self, span: ReadableSpan) -> None:
        self._change(lambda: self._ended(span))

    def _change(self, step: Callable[[], CompileView | None]) -> None:
        with self._lock:
            before, view = self._view, step()
            self._view = view
        if view is not before and view is not None and self._on_change is not None:
            self._on_change(view)

    def _started(self, attributes: Mapping[str, AttributeValue]) -> CompileView | None:
        view = self._view
        operation = attributes.get(semconv.DSPY_OPERATION_NAME)
        if operation == "compile" and not attributes.keys() & INNER:
            return CompileView(
                compile_id=str(attributes[semconv.DSPY_COMPILE_ID]),
                optimizer=str(attributes[semconv.DSPY_OPTIMIZER_NAME]),
                program=str(attributes[semconv.DSPY_PROGRAM_NAME]),
            )
        if view is None or attributes.get(semconv.DSPY_COMPILE_ID) != view.compile_id:
            return view
        if operation == "phase":
            return replace(view, phase=str(attributes[semconv.DSPY_PHASE_NAME]))
        if operation == "trial":
            return replace(view, running=cast("int", attributes[semconv.DSPY_TRIAL_INDEX]), examples=0)
        return view

    def _ended(self, span: ReadableSpan) -> CompileView | None:
        view, attributes = self._view, span.attributes or {}
        if view is None or attributes.get(semconv.DSPY_COMPILE_ID) != view.compile_id:
            return view
        match attributes.get(semconv.DSPY_OPERATION_NAME):
            case "setup":
                parameters = below(attributes, semconv.DSPY_OPTIMIZER_PARAMETER)
                planned = planned_trials(view.optimizer, parameters)
                return replace(view, planned=planned, expected_calls=_expected(attributes))
            case "example" if semconv.DSPY_EVALUATE_WITHIN_EXAMPLE not in attributes:
                of_this_trial = view.running is not None and attributes.get(semconv.DSPY_TRIAL_INDEX) == view.running
                return replace(view, examples=view.examples + 1) if of_this_trial else view
            case "trial":
                return replace(view, trials=(*view.trials, trial_row(span)), running=None, examples=0)
            case "compile":
                trials = _with_best(view.trials, attributes.get(semconv.DSPY_COMPILE_BEST_TRIAL_INDEX))
                return replace(view, trials=trials, ended=True, running=None, phase=None, result=_result(span))
            case _:
                return view


def _with_best(trials: tuple[TrialRow, ...], index: object) -> tuple[TrialRow, ...]:
    """Mark the trial with this index as the best: the one whose program the optimizer returned."""
    if index is None:
        return trials
    return tuple(replace(row, is_best=row.index == index) for row in trials)


def _expected(attributes: Mapping[str, AttributeValue]) -> tuple[int, int | None] | None:
    low = attributes.get(semconv.DSPY_FORECAST_LM_CALLS_LOW)
    return (
        None
        if low is None
        else (cast("int", low), cast("int | None", attributes.get(semconv.DSPY_FORECAST_LM_CALLS_HIGH)))
    )


def _result(span: ReadableSpan) -> CompileResult:
    attributes = span.attributes or {}
    tokens = cast("int", attributes.get(semconv.DSPY_USAGE_INPUT_TOKENS, 0)) + cast(
        "int", attributes.get(semconv.DSPY_USAGE_OUTPUT_TOKENS, 0)
    )
    usage = ModelUse(
        cast("int", attributes.get(semconv.DSPY_USAGE_LM_CALLS, 0)),
        tokens,
        cast("float | None", attributes.get(semconv.DSPY_USAGE_COST)),
        cast("int", attributes.get(semconv.DSPY_USAGE_UNPRICED_CALLS, 0)),
        semconv.DSPY_USAGE_LM_CALLS in attributes,
    )
    error, message = attributes.get(ERROR_TYPE), span.status.description
    return CompileResult(
        initial_score=cast("float | None", attributes.get(semconv.DSPY_COMPILE_INITIAL_SCORE)),
        best_score=cast("float | None", attributes.get(semconv.DSPY_COMPILE_BEST_SCORE)),
        unit=cast("str | None", attributes.get(semconv.DSPY_TRIAL_SCORE_UNIT)),
        usage=usage,
        seconds=max(0, (span.end_time or 0) - (span.start_time or 0)) / NANOSECONDS,
        error=None if error is None else f"{error}: {message}" if message else str(error),
        failure=failure_of_all(attributes),
    )
