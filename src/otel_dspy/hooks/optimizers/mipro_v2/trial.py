"""Trials of MIPROv2: one for each evaluation of a candidate, on a minibatch or in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from otel_dspy.hooks.evaluation.evaluation_result import named
from otel_dspy.hooks.metric.metric_values import as_score
from otel_dspy.hooks.optimizers.mipro_v2.compile_state import compile_state
from otel_dspy.hooks.patching.call_hook import CallHook
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.programs import snapshot_if_program
from otel_dspy.telemetry.spans.trial import close_trial, open_trial
from otel_dspy.telemetry.spans.trial_info import Scope, TrialInfo, TrialKind, TrialOutcome

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from otel_dspy.hooks.patching.call_hook import Kwargs
    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope


def _texts(program: Any) -> dict[str, dict[str, str]]:
    """Return the instructions of a candidate by predictor name. Its demo sets are recorded by the phase `bootstrap`."""
    return {name: {"instructions": predictor.signature.instructions} for name, predictor in program.named_predictors()}


class FullEvaluationHook(CallHook):
    """Marks the compile while a periodic full evaluation runs."""

    part = "MIPROv2's full evaluation"

    def __init__(self, scope: CompileScope) -> None:
        self._scope = scope

    @override
    def open(self) -> None:
        compile_state(self._scope).full_evaluation = True

    @override
    def close(self, error: BaseException | None) -> None:
        del error
        compile_state(self._scope).full_evaluation = False


class TrialHook(CallHook):
    """Records an evaluation of a candidate as a trial.

    Args:
        telemetry: records the trial's span.
        scope: the compile.
        arguments: those of `eval_candidate_program`, by name.
    """

    part = "the span of a MIPROv2 trial"

    def __init__(self, telemetry: Telemetry, scope: CompileScope, arguments: Kwargs) -> None:
        self._telemetry = telemetry
        self._scope = scope
        self._arguments = arguments
        self._score: float | None = None
        self._program: ProgramSnapshot | None = None
        self._texts: dict[str, dict[str, str]] | None = None

    @override
    def open(self) -> Context:
        with guarded("the state of a MIPROv2 candidate"):
            self._program = snapshot_if_program(self._arguments["candidate_program"])
            self._texts = _texts(self._arguments["candidate_program"])
        self._info = self._trial_info()
        self._trial = open_trial(self._telemetry, self._scope)
        return self._trial.context

    def _trial_info(self) -> TrialInfo:
        scope, arguments = self._scope, self._arguments
        batch, total = arguments["batch_size"], len(arguments["trainset"])
        choice = compile_state(scope).choices.get(id(arguments["candidate_program"]))
        competes = batch >= total
        if compile_state(scope).full_evaluation:
            kind, label = TrialKind.FULL_EVALUATION, "full eval"
        elif choice is None:
            kind, label = TrialKind.BASELINE, "default program"
        else:
            kind, label = TrialKind.CANDIDATE, choice.label
            # Even with minibatches as large as the validation set, only full evaluations compete.
            competes = competes and not compile_state(scope).minibatch
        return TrialInfo(
            kind=kind,
            label=label,
            scope=Scope.FULL if competes else Scope.MINIBATCH,
            parameters={} if choice is None else choice.parameters,
            candidate=self._texts,
        )

    @override
    def record_result(self, result: Any) -> None:
        self._score = as_score(named(result))

    @override
    def close(self, error: BaseException | None) -> None:
        outcome = TrialOutcome(score=self._score, program=self._program, error=error)
        close_trial(self._telemetry, self._trial, self._info, outcome)
