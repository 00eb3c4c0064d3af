"""Hook for BootstrapFewShot: a phase `bootstrap` with one example per attempt, and the chosen demos. No trials.

Source: `dspy/teleprompt/bootstrap.py` of dspy 3.4.1. An attempt is one example in one round: the teacher runs on it,
and the trace becomes a demo if the metric's result is true or reaches `metric_threshold`. The optimizer runs the
attempts sequentially, without Evaluate, and swallows their exceptions until `max_errors` is reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import wrapt
from opentelemetry.util.genai.utils import bind_arguments
from typing_extensions import override

from otel_dspy import semconv
from otel_dspy.hooks.calls.module import instrumented_program
from otel_dspy.hooks.metric.metric_values import as_score, feedback_of, label_of, objectives_of
from otel_dspy.hooks.optimizers.base import OptimizerHook, compile_of
from otel_dspy.hooks.optimizers.phase import PhaseHook
from otel_dspy.hooks.optimizers.plans.bootstrap import bootstrap_few_shot
from otel_dspy.hooks.optimizers.predictors import emit_demos
from otel_dspy.hooks.patching.attribute_probe import AttributeProbe
from otel_dspy.hooks.patching.call_hook import CallHook, wrap_call
from otel_dspy.hooks.patching.wrapper_frames import forwarding, hidden_frame
from otel_dspy.telemetry.exceptions import last_recorded_error
from otel_dspy.telemetry.optimizer_hook_state import StateKey
from otel_dspy.telemetry.spans.evaluate import EvaluateInfo, EvaluateOutcome, close_evaluate, open_evaluate
from otel_dspy.telemetry.spans.example import open_example
from otel_dspy.telemetry.spans.example_result import ExampleOutcome, close_example
from otel_dspy.telemetry.spans.trial_info import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context

    from otel_dspy.hooks.optimizers.plans.call_plan import CallPlan, NestedPlan
    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope, EvaluateScope

_PHASE: Final = "bootstrap"
_ATTEMPTS: Final[StateKey[_Attempts]] = StateKey("attempts")


class BootstrapFewShotHook(OptimizerHook):
    """Records the bootstrap and its attempts."""

    optimizer = "dspy.teleprompt.bootstrap.BootstrapFewShot"
    has_trials = False

    @override
    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        from dspy.teleprompt.bootstrap import BootstrapFewShot  # noqa: PLC0415 - imported when it is instrumented

        def bootstrap(_wrapped: Callable[..., Any], instance: Any, _args: Args, _kwargs: Kwargs) -> CallHook | None:
            scope = compile_of(BootstrapFewShotHook)
            return None if scope is None else _BootstrapHook(telemetry, scope, instance)

        def attempt(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
            attempts = _attempts(instance)
            if attempts is None:
                return None
            arguments = bind_arguments(wrapped, args, kwargs, apply_defaults=True)
            return _AttemptHook(telemetry, attempts, instance, arguments)

        patches.wrap(BootstrapFewShot, "_bootstrap", wrap_call(bootstrap))
        patches.wrap(BootstrapFewShot, "_bootstrap_one_example", wrap_call(attempt))
        patches.replace(BootstrapFewShot, "metric", AttributeProbe("metric", _observed))

    @override
    def plan(self, optimizer: Any, arguments: Mapping[str, Any], nested: NestedPlan) -> CallPlan | None:
        del nested
        return bootstrap_few_shot(optimizer, arguments)

    @override
    def ended(self, telemetry: Telemetry, scope: CompileScope, program: Any, error: BaseException | None) -> None:
        if error is None:
            emit_demos(telemetry, scope, program)


@dataclass(slots=True)
class _MetricResult:
    """Result of the metric for an attempt: the prediction, and the metric's value or exception."""

    prediction: Any = None
    value: Any = None
    error: BaseException | None = None


@dataclass(slots=True)
class _Attempts:
    """Attempts of one compile."""

    evaluation: EvaluateScope
    count: int = 0
    result: _MetricResult | None = None
    """Result of the metric for the running attempt."""


def _attempts(optimizer: object) -> _Attempts | None:
    scope = compile_of(BootstrapFewShotHook)
    return scope.state.get(_ATTEMPTS) if scope is not None and scope.key == id(optimizer) else None


def _observed(instance: Any, metric: Any) -> Any:
    """Return a metric that records its result inside of an attempt, else the user's.

    `_bootstrap_one_example` reads the attribute and returns only whether the threshold was reached.
    """
    attempts = _attempts(instance)
    result = attempts.result if attempts is not None else None
    return metric if result is None or metric is None else _recorded(metric, result)


def _recorded(metric: Any, result: _MetricResult) -> Any:
    def judge(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
        result.prediction = args[1] if len(args) > 1 else None
        with hidden_frame:
            try:
                result.value = wrapped(*args, **kwargs)
            except BaseException as error:
                result.error = error
                raise
        return result.value

    return wrapt.FunctionWrapper(metric, forwarding(judge))


class _BootstrapHook(PhaseHook):
    """Opens the phase and an evaluation inside it, whose examples are the attempts."""

    part = "the span of a bootstrap"

    def __init__(self, telemetry: Telemetry, scope: CompileScope, optimizer: Any) -> None:
        super().__init__(telemetry, scope, _PHASE, None)
        self._optimizer = optimizer

    @override
    def open(self) -> Context:
        context = super().open()
        info = EvaluateInfo(
            metric_name=self._scope.metric_name,
            program_name=self._scope.program_name,
            devset=getattr(self._optimizer, "trainset", ()),
            scope=Scope.MINIBATCH,
            phase=_PHASE,
        )
        self._attempts = self._scope.state.set(_ATTEMPTS, _Attempts(open_evaluate(self._telemetry, info, context)))
        return context

    @override
    def close(self, error: BaseException | None) -> None:
        self._scope.state.pop(_ATTEMPTS)
        evaluation = self._attempts.evaluation
        # The attempted examples: the bootstrap stops when it has enough demos.
        evaluation.span.set_attribute(semconv.DSPY_EVALUATE_NUM_EXAMPLES, self._attempts.count)
        close_evaluate(self._telemetry, evaluation, EvaluateOutcome(error=error))
        super().close(error)


class _AttemptHook(CallHook):
    part = "the span of a bootstrap attempt"

    def __init__(self, telemetry: Telemetry, attempts: _Attempts, optimizer: Any, arguments: Kwargs) -> None:
        self._telemetry = telemetry
        self._attempts = attempts
        self._optimizer = optimizer
        self._arguments = arguments
        self._accepted = False

    @override
    def open(self) -> Context:
        attempts = self._attempts
        self._errors_before, self._last_error_before = self._optimizer.error_count, last_recorded_error()
        teacher = instrumented_program(self._optimizer.teacher)
        example = self._arguments["example"]
        self._scope = open_example(self._telemetry, attempts.evaluation, attempts.count, example, teacher)
        attempts.count += 1
        self._result = attempts.result = _MetricResult()
        return self._scope.context

    @override
    def record_result(self, result: Any) -> None:
        self._accepted = bool(result)

    @override
    def close(self, error: BaseException | None) -> None:
        self._attempts.result = None
        outcome = ExampleOutcome(
            prediction=self._result.prediction,
            score=as_score(self._result.value),
            feedback=feedback_of(self._result.value),
            label=label_of(self._result.value),
            objectives=objectives_of(self._result.value),
            error=error or self._result.error or self._swallowed(),
            further={"round": self._arguments["round_idx"], "accepted": self._accepted},
        )
        close_example(self._telemetry, self._scope, outcome)

    def _swallowed(self) -> BaseException | None:
        """Return the teacher's exception if the optimizer counted an error: the last one that a child span recorded."""
        if self._optimizer.error_count == self._errors_before:
            return None
        last = last_recorded_error()
        return last if last is not self._last_error_before else None
