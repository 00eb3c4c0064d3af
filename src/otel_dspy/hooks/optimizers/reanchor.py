"""Hook for ReAnchor: a trial for each pass over the training set, before, during and after the calibration.

Source: `dspy/teleprompt/reanchor/` of dspy 3.4.1. A pass is a call of `calibrate.scores`, which runs the program on
the examples without Evaluate and returns the metric's value for each. Scores are raw means (ratio). Passes over the
validation set do not compete: their trials record the mean as the measure `validation_score`.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.util.genai.utils import bind_arguments
from typing_extensions import override

from otel_dspy.hooks.calls.module import instrumented_program
from otel_dspy.hooks.metric.metric_name import metric_name
from otel_dspy.hooks.optimizers.base import OptimizerHook, arguments_of, compile_of
from otel_dspy.hooks.optimizers.phase import PhaseHook
from otel_dspy.hooks.optimizers.predictors import predictor_name
from otel_dspy.hooks.optimizers.reanchor_report import fold_checks, reason
from otel_dspy.hooks.patching.call_hook import CallHook, wrap_call
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.programs import program_name, snapshot_if_program
from otel_dspy.telemetry.optimizer_hook_state import StateKey
from otel_dspy.telemetry.spans.evaluate import EvaluateInfo, EvaluateOutcome, close_evaluate, open_evaluate
from otel_dspy.telemetry.spans.trial import close_trial, open_trial
from otel_dspy.telemetry.spans.trial_info import Scope, ScoreUnit, TrialInfo, TrialKind, TrialOutcome
from otel_dspy.telemetry.tallies.leaderboard import greatest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context

    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope
    from otel_dspy.telemetry.tallies.leaderboard import Entry

_PROGRESS: Final[StateKey[_Progress]] = StateKey("reanchor")
_CALIBRATED: Final = "calibrated"
"""Key and label of the pass with the final settings."""
_FITS: Final = {"_fit_threshold": "threshold", "_fit_weights": "weights", "_fit_cuts": "cuts"}
"""Function -> key, in the predictor's `fields`, of the parameter that it fits."""


class ReAnchorHook(OptimizerHook):
    """Records the passes of the calibration as trials."""

    optimizer = "dspy.teleprompt.reanchor.reanchor.ReAnchor"
    unit = ScoreUnit.RATIO

    @override
    def select(self, entries: Sequence[Entry]) -> Entry | None:
        # The returned program has the final settings; settings that the fold check rejected may have scored higher.
        last = entries[-1]
        if last.key == _CALIBRATED:
            entries = [entry for entry in entries if entry.program_id == last.program_id]
        return greatest(entries)

    @override
    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        from dspy.teleprompt.reanchor import calibrate, reanchor  # noqa: PLC0415 - imported when it is instrumented

        def one_pass(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
            scope = compile_of(ReAnchorHook)
            return None if scope is None else _Pass(telemetry, scope, bind_arguments(wrapped, args, kwargs))

        def calibration(_wrapped: Callable[..., Any], _instance: Any, _args: Args, _kwargs: Kwargs) -> CallHook | None:
            scope = compile_of(ReAnchorHook)
            return None if scope is None else _Calibration(telemetry, scope)

        def fitting(parameter: str | None) -> Callable[..., CallHook | None]:
            def create_hook(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
                scope = compile_of(ReAnchorHook)
                return None if scope is None else _Fitting(scope, parameter, bind_arguments(wrapped, args, kwargs))

            return create_hook

        patches.wrap(calibrate, "scores", wrap_call(one_pass))
        patches.wrap(calibrate, "_observe", wrap_call(fitting(None)))
        for function, parameter in _FITS.items():
            patches.wrap(calibrate, function, wrap_call(fitting(parameter)))
        # `reanchor` imports the function by name.
        patches.wrap(reanchor, "calibrate", wrap_call(calibration))


@dataclass(slots=True)
class _Progress:
    """Progress of the calibration."""

    begun: bool = False
    calibrating: bool = False
    calibrated: bool = False
    scored: bool = False
    """Whether the pass with the final settings has begun."""
    predict: Any = None
    """The predictor whose output is being fitted; None before the first call."""
    field: str | None = None
    parameter: str | None = None
    """Set while the parameter is being fitted."""
    observing: bool = False
    report: Sequence[Mapping[str, Any]] = ()
    """ReAnchor's own report, a row for each output; empty until the calibration has ended."""


def _progress(scope: CompileScope) -> _Progress:
    return scope.state.get_or_create(_PROGRESS, _Progress)


class _Calibration(PhaseHook):
    part = "the span of a calibration"

    def __init__(self, telemetry: Telemetry, scope: CompileScope) -> None:
        super().__init__(telemetry, scope, "calibrate", None)
        self._progress = _progress(scope)

    @override
    def open(self) -> Context:
        self._progress.calibrating = True
        return super().open()

    @override
    def record_result(self, result: Any) -> None:
        self._progress.report = result

    @override
    def close(self, error: BaseException | None) -> None:
        self._progress.calibrating, self._progress.calibrated = False, True
        super().close(error)


class _Fitting(CallHook):
    """Tracks the fitting of one parameter, or the pass before it that observes the model's outputs."""

    part = "ReAnchor's fitting"

    def __init__(self, scope: CompileScope, parameter: str | None, arguments: Kwargs) -> None:
        self._progress = _progress(scope)
        self._parameter = parameter
        self._arguments = arguments

    @override
    def open(self) -> None:
        progress = self._progress
        progress.predict, progress.field = self._arguments["predict"], self._arguments["field"]
        progress.parameter, progress.observing = self._parameter, self._parameter is None

    @override
    def close(self, error: BaseException | None) -> None:
        self._progress.parameter, self._progress.observing = None, False
        if self._parameter is not None:
            self._progress.predict = self._progress.field = None


class _Pass(CallHook):
    part = "the span of a ReAnchor pass"

    def __init__(self, telemetry: Telemetry, scope: CompileScope, arguments: Kwargs) -> None:
        self._telemetry = telemetry
        self._scope = scope
        self._program = arguments["program"]
        self._examples: Sequence[Any] = arguments["examples"]
        self._metric = arguments["metric"]
        self._snapshot: ProgramSnapshot | None = None
        self._mean: float | None = None

    @override
    def open(self) -> Context:
        with guarded("the state of a program that is calibrated"):
            self._snapshot = snapshot_if_program(self._program)
        self._validation = self._is_validation()
        self._info = self._trial_info()
        self._trial = open_trial(self._telemetry, self._scope)
        info = EvaluateInfo(
            metric_name=metric_name(self._metric),
            program_name=program_name(self._program),
            devset=self._examples,
            scope=Scope.FULL,
            program=instrumented_program(self._program),
        )
        self._evaluation = open_evaluate(self._telemetry, info, self._trial.context)
        return self._evaluation.context

    def _is_validation(self) -> bool:
        """Return whether the pass is over the validation set.

        If that is the training set, the order decides: the validation passes follow the first and the calibrated one.
        """
        given, progress = arguments_of(self._scope), _progress(self._scope)
        if self._examples is not given.get("valset"):
            return False
        if self._examples is not given.get("trainset"):
            return True
        return progress.scored if progress.calibrated else progress.begun and not progress.calibrating

    def _trial_info(self) -> TrialInfo:
        progress = _progress(self._scope)
        first, progress.begun = not progress.begun, True
        if self._validation:
            when = "after" if progress.calibrated else "before"
            return TrialInfo(kind=TrialKind.FULL_EVALUATION, label=f"validation {when}")
        if first:
            return TrialInfo(kind=TrialKind.BASELINE, label="before")
        if not progress.calibrating:
            progress.scored = True
            return TrialInfo(
                kind=TrialKind.FULL_EVALUATION, label=_CALIBRATED, key=_CALIBRATED,
                reason=reason(progress.report), measures=fold_checks(progress.report),
            )  # fmt: skip
        if progress.field is None:
            return TrialInfo(kind=TrialKind.STEP, label="before the next output")
        name = predictor_name(self._program, progress.predict)
        parameters: dict[str, object] = {"predictor": name, "field": progress.field}
        output = f"{name}.{progress.field}"
        if progress.parameter is None:
            what = "observed" if progress.observing else "start"
            return TrialInfo(kind=TrialKind.STEP, label=f"{output}: {what}", parameters=parameters)
        # Copied, because ReAnchor overwrites it with the next candidate value.
        value: Any = copy.copy(progress.predict.fields[progress.field][progress.parameter])
        tried: dict[str, object] = {progress.parameter: value}
        if progress.parameter == _FITS["_fit_weights"]:
            weights: Mapping[str, object] = value
            tried = {f"{progress.parameter}.{label}": weight for label, weight in weights.items()}
        return TrialInfo(
            label=f"{output}: {progress.parameter}",
            parameters=parameters | tried,
            candidate={name: {progress.field: {progress.parameter: value}}},
        )

    @override
    def record_result(self, result: Any) -> None:
        self._mean = math.fsum(result) / len(result)

    @override
    def close(self, error: BaseException | None) -> None:
        telemetry, program = self._telemetry, self._snapshot
        close_evaluate(telemetry, self._evaluation, EvaluateOutcome(program=program, error=error))
        info, score = self._info, self._mean
        if self._validation and score is not None:
            info = TrialInfo(kind=info.kind, label=info.label, measures={"validation_score": score})
            score = None
        outcome = TrialOutcome(score=score, unit=ScoreUnit.RATIO, program=program, error=error)
        close_trial(telemetry, self._trial, info, outcome)
