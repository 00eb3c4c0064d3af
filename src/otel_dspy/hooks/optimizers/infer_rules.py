"""Hook for InferRules: a bootstrap, then a trial for each candidate, which includes the induction of its rules.

Source: `dspy/teleprompt/infer_rules.py` of dspy 3.4.1. `induce_natural_language_rules` is called once for each
predictor of a candidate, so the trial begins with the first call. Scores are Evaluate's, in percent.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.util.genai.utils import bind_arguments
from typing_extensions import override

from otel_dspy.hooks.optimizers.base import compile_of
from otel_dspy.hooks.optimizers.bootstrap_few_shot import BootstrapFewShotHook
from otel_dspy.hooks.optimizers.phase import PhaseHook
from otel_dspy.hooks.optimizers.plans.infer_rules import infer_rules
from otel_dspy.hooks.optimizers.predictors import predictor_name
from otel_dspy.hooks.patching.call_hook import wrap_call
from otel_dspy.telemetry.optimizer_hook_state import StateKey
from otel_dspy.telemetry.spans.trial import open_trial
from otel_dspy.telemetry.spans.trial_info import TrialInfo
from otel_dspy.telemetry.tallies.leaderboard import greatest
from otel_dspy.telemetry.tallies.lm_roles import PROMPT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_dspy.hooks.optimizers.plans.call_plan import CallPlan, NestedPlan
    from otel_dspy.hooks.patching.call_hook import Args, CallHook, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope
    from otel_dspy.telemetry.spans.evaluate import EvaluateInfo
    from otel_dspy.telemetry.spans.setup import DatasetInfo
    from otel_dspy.telemetry.tallies.leaderboard import Entry

_RULES: Final[StateKey[list[tuple[Any, str]]]] = StateKey("rules")


class InferRulesHook(BootstrapFewShotHook):
    """Records the induction of rules. The bootstrap in the same compile is recorded as BootstrapFewShot's."""

    optimizer = "dspy.teleprompt.infer_rules.InferRules"
    has_trials = True

    @override
    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        from dspy.teleprompt.infer_rules import InferRules  # noqa: PLC0415 - imported when it is instrumented

        def induction(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
            scope = compile_of(InferRulesHook)
            if scope is None:
                return None
            return _InductionHook(telemetry, scope, bind_arguments(wrapped, args, kwargs)["predictor"])

        patches.wrap(InferRules, "induce_natural_language_rules", wrap_call(induction))

    @override
    def datasets(self, arguments: Mapping[str, Any]) -> list[DatasetInfo]:
        given = dict(arguments)
        if given.get("valset") is None and isinstance(given.get("trainset"), list | tuple):
            given["valset"] = given["trainset"][len(given["trainset"]) // 2 :]  # InferRules scores on the second half
        return super().datasets(given)

    @override
    def trial(self, scope: CompileScope, program: Any, evaluation: EvaluateInfo) -> TrialInfo:
        ahead = scope.open_trial
        number = scope.trial_count if ahead is None else ahead.index
        rules = scope.state.pop(_RULES) or []
        return TrialInfo(
            label=f"candidate {number}",
            scope=evaluation.scope,
            parameters={"candidate": number},
            candidate={predictor_name(program, predictor): {"rules": text} for predictor, text in rules},
        )

    @override
    def plan(self, optimizer: Any, arguments: Mapping[str, Any], nested: NestedPlan) -> CallPlan | None:
        del nested
        return infer_rules(optimizer, arguments)

    @override
    def select(self, entries: Sequence[Entry]) -> Entry | None:
        # InferRules starts from minus infinity. It may return another program: see `Leaderboard.returned`.
        return greatest([entry for entry in entries if entry.score != -math.inf])

    @override
    def open_trial_info(self, scope: CompileScope) -> TrialInfo:
        number = scope.trial_count - 1
        return TrialInfo(label=f"candidate {number}", parameters={"candidate": number})


class _InductionHook(PhaseHook):
    part = "the span of an induction of rules"
    role = PROMPT

    def __init__(self, telemetry: Telemetry, scope: CompileScope, predictor: Any) -> None:
        if scope.open_trial is None:
            scope.open_trial = open_trial(telemetry, scope)
        super().__init__(telemetry, scope, "induce", None, context=scope.open_trial.context)
        self._predictor = predictor

    @override
    def record_result(self, result: Any) -> None:
        self._scope.state.get_or_create(_RULES, list[tuple[Any, str]]).append((self._predictor, str(result)))
