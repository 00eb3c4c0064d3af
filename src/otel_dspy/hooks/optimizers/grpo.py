"""Hook for GRPO: a trial for the program before training, if it is validated, and one for each train step.

Source: `dspy/teleprompt/grpo.py` of dspy 3.4.1. A step begins when its examples are sampled
(`select_training_sample_and_update_shuffled_trainset`), makes rollouts (an evaluation), passes them to the trainer
(`ReinforceJob.step`) and ends after `report_validation_metrics`, which evaluates every `num_steps_for_val` steps. A
step without usable rollouts continues with the next step before either. With `report_train_scores` one evaluation
covers the validation set and then the training set; the trial records their scores separately, as DSPy's logs do.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from opentelemetry.context import attach, detach
from opentelemetry.util.genai.utils import bind_arguments, get_argument
from typing_extensions import override

from otel_dspy.hooks.optimizers.base import OptimizerHook, arguments_of, compile_of
from otel_dspy.hooks.optimizers.finetune_parameters import finetune_parameters
from otel_dspy.hooks.optimizers.phase import PhaseHook
from otel_dspy.hooks.patching.call_hook import CallHook, wrap_call
from otel_dspy.hooks.patching.subclasses import wrap_with_subclasses
from otel_dspy.hooks.patching.wrapper_frames import hidden_frame
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.programs import snapshot_if_program
from otel_dspy.telemetry.optimizer_hook_state import StateKey
from otel_dspy.telemetry.spans.trial import close_trial, open_trial
from otel_dspy.telemetry.spans.trial_info import TrialInfo, TrialKind, TrialOutcome, TrialState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextvars import Token

    from opentelemetry.context import Context

    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope, TrialScope
    from otel_dspy.telemetry.spans.evaluate import EvaluateInfo
    from otel_dspy.telemetry.tallies.leaderboard import Entry

_OPEN: Final[StateKey[_Trial]] = StateKey("trial of GRPO")
_seeds: Final[WeakKeyDictionary[object, object]] = WeakKeyDictionary()
"""Constructor's seed by optimizer, because DSPy keeps only the random generator."""


@dataclass(slots=True)
class _Trial:
    """Open trial of the program before training (`step` is None) or of a train step."""

    trial: TrialScope
    token: Token[Context]
    step: int | None
    validation_size: int | None = None
    """During validation: the number of validation examples; the remaining ones are training examples."""
    validating: bool = False
    training: bool = False
    """True while the trainer's step runs."""
    rewards: list[float] = field(default_factory=list[float])
    groups: int = 0
    score: float | None = None
    """Percent."""
    train_score: float | None = None
    """Percent."""


class GRPOHook(OptimizerHook):
    """Records the train steps of the training loop as trials."""

    optimizer = "dspy.teleprompt.grpo.GRPO"

    @override
    def parameters(self, optimizer: Any, arguments: Mapping[str, Any]) -> dict[str, object]:
        values = finetune_parameters(super().parameters(optimizer, arguments))
        return {**values, "seed": _seeds.get(optimizer)}

    @override
    def select(self, entries: Sequence[Entry]) -> Entry | None:
        # GRPO returns the model as it is after the last step, whatever it scored before.
        return next((entry for entry in reversed(entries) if entry.score is not None and not entry.failed), None)

    @override
    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        from dspy.clients.provider import ReinforceJob  # noqa: PLC0415 - imported when it is instrumented
        from dspy.teleprompt.grpo import GRPO  # noqa: PLC0415 - imported when it is instrumented

        def made(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
            with guarded("GRPO's seed"):
                _seeds[instance] = bind_arguments(wrapped, args, kwargs, apply_defaults=True)["seed"]
            with hidden_frame:
                return wrapped(*args, **kwargs)

        patches.wrap(GRPO, "__init__", made)

        def begun(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
            with guarded("the beginning of a GRPO step"):
                scope = compile_of(GRPOHook)
                if scope is not None:
                    arguments: Kwargs = bind_arguments(wrapped, args, kwargs)
                    _close(telemetry, scope)
                    _open(telemetry, scope, arguments["train_step_idx"])
            with hidden_frame:
                return wrapped(*args, **kwargs)

        def report(wrapped: Callable[..., Any], optimizer: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
            scope = compile_of(GRPOHook)
            return (
                None if scope is None else _Report(telemetry, scope, optimizer, bind_arguments(wrapped, args, kwargs))
            )

        def train(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
            scope = compile_of(GRPOHook)
            opened = None if scope is None else _opened(scope)
            if scope is None or opened is None or opened.training:
                return None  # `super().step()` belongs to the same step
            # By name where a trainer's own `step` takes any arguments.
            groups: Any = get_argument("train_data", wrapped, args, kwargs, ())
            return _Training(telemetry, scope, opened, len(groups))

        patches.wrap(GRPO, "select_training_sample_and_update_shuffled_trainset", begun)
        patches.wrap(GRPO, "report_validation_metrics", wrap_call(report))
        wrap_with_subclasses(patches, ReinforceJob, "step", lambda _function: wrap_call(train))

    @override
    def evaluation(self, info: EvaluateInfo, program: ProgramSnapshot | None) -> EvaluateInfo:
        scope = compile_of(GRPOHook)
        opened = None if scope is None else _opened(scope)
        if opened is None:
            return info
        return replace(info, role="validation" if opened.validating else "rollouts")

    @override
    def evaluated(self, scope: CompileScope, info: EvaluateInfo, result: Any) -> None:
        opened = _opened(scope)
        if opened is None:
            return
        scores = [float(row[-1]) for row in result.results]
        if not opened.validating:
            opened.rewards += scores
            return
        opened.score = float(result.score)
        size = opened.validation_size
        if size is not None and size < len(scores):
            opened.score, opened.train_score = _percent(scores[:size]), _percent(scores[size:])
            opened.trial.evaluated[info.scope.value] = size

    @override
    def ended(self, telemetry: Telemetry, scope: CompileScope, program: Any, error: BaseException | None) -> None:
        _close(telemetry, scope, error=error)


def _percent(scores: Sequence[float]) -> float:
    """Return the mean in percent, rounded as by Evaluate."""
    return round(100 * sum(scores) / len(scores), 2)


def _opened(scope: CompileScope) -> _Trial | None:
    return scope.state.get(_OPEN)


def _open(telemetry: Telemetry, scope: CompileScope, step: int | None) -> _Trial:
    trial = open_trial(telemetry, scope)
    # A step is part of the training loop, not a call, so its context is attached explicitly.
    return scope.state.set(_OPEN, _Trial(trial, attach(trial.context), step))


def _close(telemetry: Telemetry, scope: CompileScope, *, error: BaseException | None = None) -> None:
    """Close the open trial, if any. Called at its end, at the start of the next trial and at the end of the compile."""
    opened = scope.state.pop(_OPEN)
    if opened is None:
        return
    detach(opened.token)
    student = arguments_of(scope).get("student")
    program: ProgramSnapshot | None = None
    with guarded("the state of a GRPO student"):
        program = snapshot_if_program(student)
    idle = opened.step is not None and opened.groups == 0 and error is None
    measures = {"groups": float(opened.groups)} if opened.step is not None else {}
    if opened.rewards:
        measures |= {"rollouts": float(len(opened.rewards)), "reward": sum(opened.rewards) / len(opened.rewards)}
    if opened.train_score is not None:
        measures["train_score"] = opened.train_score
    parameters: dict[str, object] = {} if opened.step is None else {"train_step": opened.step}
    parameters["model"] = _model(student)
    info = TrialInfo(
        kind=TrialKind.BASELINE if opened.step is None else TrialKind.STEP,
        label="before training" if opened.step is None else f"train step {opened.step}",
        parameters=parameters,
        measures=measures,
        reason="no training data" if idle else None,
    )
    state = TrialState.PRUNED if idle else None
    close_trial(
        telemetry, opened.trial, info, TrialOutcome(score=opened.score, program=program, error=error, state=state)
    )


def _model(student: Any) -> str | None:
    """Return the name of the trained model, which the trainer updates in place."""
    return next((predictor.lm.model for predictor in student.predictors() if predictor.lm is not None), None)


class _Training(PhaseHook):
    part = "a GRPO trainer's step"

    def __init__(self, telemetry: Telemetry, scope: CompileScope, opened: _Trial, groups: int) -> None:
        super().__init__(telemetry, scope, "train", None)
        self._opened_trial = opened
        opened.groups += groups

    @override
    def open(self) -> Context:
        self._opened_trial.training = True
        return super().open()

    @override
    def close(self, error: BaseException | None) -> None:
        self._opened_trial.training = False
        super().close(error)


class _Report(CallHook):
    part = "GRPO's validation"

    def __init__(self, telemetry: Telemetry, scope: CompileScope, optimizer: Any, arguments: Kwargs) -> None:
        self._telemetry = telemetry
        self._scope = scope
        self._optimizer = optimizer
        self._valset: Sequence[Any] | None = arguments["valset"]
        self._before = arguments.get("step_idx", -1) == -1

    @override
    def open(self) -> None:
        opened = _opened(self._scope)
        validates = self._valset is not None or self._optimizer.report_train_scores
        if opened is None and self._before and validates:
            opened = _open(self._telemetry, self._scope, None)
        if opened is not None:
            opened.validating = True
            opened.validation_size = None if self._valset is None else len(self._valset)

    @override
    def close(self, error: BaseException | None) -> None:
        _close(self._telemetry, self._scope, error=error)
