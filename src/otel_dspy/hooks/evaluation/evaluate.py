"""Hook for Evaluate calls: an `evaluate` span for each, and a trial if the parent is a compile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.util.genai.utils import bind_arguments
from typing_extensions import override

from otel_dspy.hooks.calls.module import instrumented_program
from otel_dspy.hooks.evaluation.evaluation_result import named
from otel_dspy.hooks.metric.metric_name import metric_name, scoring_metric
from otel_dspy.hooks.metric.metric_values import as_score
from otel_dspy.hooks.patching.call_hook import CallHook, wrap_call
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.programs import program_name, snapshot_if_program
from otel_dspy.telemetry.call_context import current_call_context
from otel_dspy.telemetry.spans.evaluate import EvaluateInfo, EvaluateOutcome, close_evaluate, open_evaluate
from otel_dspy.telemetry.spans.trial import close_trial, open_trial
from otel_dspy.telemetry.spans.trial_info import Scope, ScoreUnit, TrialInfo, TrialOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.context import Context

    from otel_dspy.hooks.optimizers.hook_registry import HookRegistry
    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope, TrialScope

_PERCENT: Final = 100
"""Factor of DSPy's score of an evaluation to the mean of the metric's values."""


def install(patches: Patches, telemetry: Telemetry, registry: HookRegistry) -> None:
    """Wrap `Evaluate.__call__`.

    Args:
        patches: where the wrapper is registered, so that it can be removed.
        telemetry: the emitter of spans, events and metrics.
        registry: the hooks of optimizers.
    """
    from dspy.evaluate.evaluate import Evaluate  # noqa: PLC0415 - dspy is imported when it is instrumented

    def create_hook(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> CallHook:
        return _EvaluateHook(telemetry, registry, instance, bind_arguments(wrapped, args, kwargs))

    patches.wrap(Evaluate, "__call__", wrap_call(create_hook))


class _EvaluateHook(CallHook):
    part = "the span of an evaluation"

    def __init__(self, telemetry: Telemetry, registry: HookRegistry, evaluator: Any, arguments: Kwargs) -> None:
        self._telemetry = telemetry
        self._registry = registry
        self._evaluator = evaluator
        self._arguments = arguments
        self._score: float | None = None
        self._program: ProgramSnapshot | None = None
        self._trial: TrialScope | None = None
        self._trial_info = TrialInfo()

    @override
    def open(self) -> Context:
        arguments = self._arguments
        program = arguments.get("program")
        metric = scoring_metric(_given(arguments, "metric", self._evaluator.metric))
        devset = _countable(_given(arguments, "devset", self._evaluator.devset))
        with guarded("the state of an evaluated program"):
            self._telemetry.secrets.learn_program(program)
            self._program = snapshot_if_program(program)
        self._info = EvaluateInfo(
            metric_name=metric_name(metric),
            program_name=program_name(program),
            devset=devset,
            scope=_scope(arguments.get("callback_metadata")),
            program=instrumented_program(program),
        )
        enclosing = _compile_of_evaluation()
        if enclosing is not None:
            with guarded("an optimizer's data of an evaluation"):
                self._info = self._registry.of(enclosing).evaluation(self._info, self._program)
        compiling = self._open_own_trial(program)
        self._evaluation = open_evaluate(self._telemetry, self._info, compiling)
        return self._evaluation.context

    def _open_own_trial(self, program: Any) -> Context | None:
        """Open a trial for this evaluation and return its context; None if no trial is to be opened."""
        call_context = current_call_context()
        compiling = _compile_of_evaluation()
        if compiling is None or call_context.trial is not None or self._info.phase is not None:
            return None
        optimizer = self._registry.of(compiling)
        self._trial_info = TrialInfo(scope=self._info.scope, derived=True)
        with guarded("an optimizer's data of a trial"):
            self._trial_info = optimizer.trial(compiling, program, self._info)
        self._trial = compiling.open_trial or open_trial(self._telemetry, compiling)
        compiling.open_trial = None
        return self._trial.context

    @override
    def record_result(self, result: Any) -> None:
        result = named(result)
        enclosing = _compile_of_evaluation()
        if enclosing is not None:
            with guarded("an optimizer's reading of a result"):
                self._registry.of(enclosing).evaluated(enclosing, self._info, result)
        if self._info.metric_name is not None:
            self._score = as_score(result)

    @override
    def close(self, error: BaseException | None) -> None:
        outcome = EvaluateOutcome(score=self._score, program=self._program, error=error)
        close_evaluate(self._telemetry, self._evaluation, outcome)
        call_context = current_call_context()
        outer = None if call_context.within_example else call_context.trial
        if self._trial is not None:
            unit = self._registry.of(self._trial.compile).unit
            score = self._score
            if score is not None and unit is ScoreUnit.RATIO:
                score /= _PERCENT
            trial_outcome = TrialOutcome(score=score, unit=unit, program=self._program, error=error)
            close_trial(self._telemetry, self._trial, self._trial_info, trial_outcome)
        elif outer is not None and error is not None:
            # The optimizer's own trial continues; some optimizers swallow the evaluation's exception.
            outer.error = error


def _compile_of_evaluation() -> CompileScope | None:
    """Return the compile that evaluates; None outside, and where an example's program or metric evaluates."""
    call_context = current_call_context()
    return None if call_context.within_example else call_context.compile


def _given(arguments: Kwargs, name: str, default: Any) -> Any:
    # Evaluate itself treats None as "not given".
    value = arguments.get(name)
    return default if value is None else value


def _countable(devset: Any) -> Sequence[Any]:
    """Return the examples; empty if they have no length, where DSPy raises. Iterating a generator would consume it."""
    try:
        return devset if len(devset) else ()
    except Exception:
        return ()


def _scope(metadata: Any) -> Scope:
    found = cast("dict[str, Any]", metadata) if isinstance(metadata, dict) else {}
    minibatch = found.get("metric_key") == "eval_minibatch" or found.get("disable_logging")
    return Scope.MINIBATCH if minibatch else Scope.FULL
