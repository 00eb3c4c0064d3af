"""Hook for BootstrapFewShotWithOptuna: a trial for each Optuna trial.

Source: `dspy/teleprompt/teleprompt_optuna.py` of dspy 3.4.1. `objective` chooses one of the bootstrapped demos for
each predictor (`demo_index_for_<predictor>`) and scores the program with Evaluate, in percent. Optuna treats a raised
`TrialPruned` as a pruned trial and continues; a trial whose value is NaN has failed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from opentelemetry.util.genai.utils import bind_arguments
from typing_extensions import override

from otel_dspy.hooks.metric.metric_values import as_score
from otel_dspy.hooks.optimizers.base import OptimizerHook, compile_of
from otel_dspy.hooks.optimizers.plans.random_search import optuna_search
from otel_dspy.hooks.optimizers.predictors import demos
from otel_dspy.hooks.patching.call_hook import CallHook, wrap_call
from otel_dspy.hooks.patching.subclasses import wrap_with_subclasses
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.programs import snapshot_if_program
from otel_dspy.telemetry.call_context import current_call_context
from otel_dspy.telemetry.spans.trial import close_trial, open_trial
from otel_dspy.telemetry.spans.trial_info import TrialInfo, TrialOutcome, TrialState
from otel_dspy.telemetry.tallies.leaderboard import first_unless_greater

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context

    from otel_dspy.hooks.optimizers.plans.call_plan import CallPlan, NestedPlan
    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope
    from otel_dspy.telemetry.spans.setup import DatasetInfo
    from otel_dspy.telemetry.tallies.leaderboard import Entry


class OptunaHook(OptimizerHook):
    """Records every call of the objective as a trial."""

    optimizer = "dspy.teleprompt.teleprompt_optuna.BootstrapFewShotWithOptuna"
    attribute_names: ClassVar[Mapping[str, str]] = {
        "num_candidate_programs": "num_candidate_sets",
        "max_bootstrapped_demos": "max_num_samples",
    }

    @override
    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        from dspy.teleprompt.teleprompt_optuna import BootstrapFewShotWithOptuna  # noqa: PLC0415 - as it is instrumented

        def objective(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
            scope = compile_of(OptunaHook)
            if scope is None or current_call_context().trial is not None:
                return None  # `super().objective()` belongs to the same trial
            return _TrialHook(telemetry, scope, bind_arguments(wrapped, args, kwargs)["trial"])

        # Overrides too: a subclass that prunes trials does so in its own objective.
        wrap_with_subclasses(patches, BootstrapFewShotWithOptuna, "objective", lambda _: wrap_call(objective))

    @override
    def plan(self, optimizer: Any, arguments: Mapping[str, Any], nested: NestedPlan) -> CallPlan | None:
        del nested
        return optuna_search(optimizer, arguments)

    @override
    def select(self, entries: Sequence[Entry]) -> Entry | None:
        return first_unless_greater([entry for entry in entries if not entry.failed])

    @override
    def parameters(self, optimizer: Any, arguments: Mapping[str, Any]) -> dict[str, object]:
        values = super().parameters(optimizer, arguments)
        # DSPy stores the constructor's value and never uses it.
        return values if "max_demos" not in arguments else {**values, "max_bootstrapped_demos": arguments["max_demos"]}

    @override
    def datasets(self, arguments: Mapping[str, Any]) -> list[DatasetInfo]:
        # Without a validation set every candidate is scored on the training set.
        return super().datasets({**arguments, "valset": arguments.get("valset") or arguments.get("trainset")})


class _TrialHook(CallHook):
    part = "the span of a trial of Optuna's"

    def __init__(self, telemetry: Telemetry, scope: CompileScope, optuna_trial: Any) -> None:
        self._telemetry = telemetry
        self._scope = scope
        self._optuna_trial = optuna_trial
        self._score: float | None = None

    @override
    def open(self) -> Context:
        self._trial = open_trial(self._telemetry, self._scope)
        return self._trial.context

    @override
    def record_result(self, result: Any) -> None:
        self._score = as_score(result)

    @override
    def close(self, error: BaseException | None) -> None:
        trial = self._optuna_trial
        info, snapshot = TrialInfo(label=f"trial {trial.number}", parameters=dict(trial.params)), None
        with guarded("the state of a candidate of Optuna's"):
            program = trial.user_attrs.get("program")
            snapshot = snapshot_if_program(program)
            if snapshot is not None:
                info = TrialInfo(label=info.label, parameters=info.parameters, candidate=demos(program))
        pruned = _pruned(error)
        outcome = TrialOutcome(
            score=self._score,
            program=snapshot,
            error=None if pruned else error,
            state=TrialState.PRUNED if pruned else TrialState.FAIL if self._nan() else None,
        )
        if pruned:
            self._trial.error = None
        close_trial(self._telemetry, self._trial, info, outcome)

    def _nan(self) -> bool:
        return self._score is not None and math.isnan(self._score)


def _pruned(error: BaseException | None) -> bool:
    return any(cls.__name__ == "TrialPruned" and cls.__module__.startswith("optuna") for cls in type(error).__mro__)
