"""Hook for BootstrapFewShotWithRandomSearch: a trial for each seed, from -3 upwards.

Source: `dspy/teleprompt/random_search.py` of dspy 3.4.1. Seed -3 is the program without demos, -2 has labeled demos,
-1 bootstrapped ones, 0 and up bootstrapped ones of a shuffled training set. A trial begins with the seed's nested
compile, or with its evaluation if there is no compile.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from typing_extensions import override

from otel_dspy.hooks.optimizers.base import OptimizerHook
from otel_dspy.hooks.optimizers.plans.random_search import FIRST_SEED, random_search
from otel_dspy.hooks.optimizers.predictors import demo_counts, demos
from otel_dspy.telemetry.spans.trial_info import TrialInfo, TrialKind
from otel_dspy.telemetry.tallies.leaderboard import first_unless_greater

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otel_dspy.hooks.optimizers.plans.call_plan import CallPlan, NestedPlan
    from otel_dspy.telemetry.open_scopes import CompileScope
    from otel_dspy.telemetry.spans.evaluate import EvaluateInfo
    from otel_dspy.telemetry.spans.setup import DatasetInfo
    from otel_dspy.telemetry.tallies.leaderboard import Entry


class RandomSearchHook(OptimizerHook):
    """Labels each trial by its seed."""

    optimizer = "dspy.teleprompt.random_search.BootstrapFewShotWithRandomSearch"
    nested_compile_opens_trial = True
    attribute_names: ClassVar[Mapping[str, str]] = {
        "num_candidate_programs": "num_candidate_sets",
        "max_bootstrapped_demos": "max_num_samples",
    }

    @override
    def parameters(self, optimizer: Any, arguments: Mapping[str, Any]) -> dict[str, object]:
        values = super().parameters(optimizer, arguments)
        if "restrict" in values:
            values["restrict"] = sorted(cast("Iterable[int]", values["restrict"]))
        return values

    @override
    def datasets(self, arguments: Mapping[str, Any]) -> list[DatasetInfo]:
        # Without a validation set every candidate is scored on the training set.
        return super().datasets({**arguments, "valset": arguments.get("valset") or arguments.get("trainset")})

    @override
    def trial(self, scope: CompileScope, program: Any, evaluation: EvaluateInfo) -> TrialInfo:
        ahead = scope.open_trial
        info = self._info(scope, scope.trial_count if ahead is None else ahead.index)
        return replace(
            info,
            scope=evaluation.scope,
            parameters={**info.parameters, **demo_counts(program)},
            candidate=demos(program),
        )

    @override
    def plan(self, optimizer: Any, arguments: Mapping[str, Any], nested: NestedPlan) -> CallPlan | None:
        del nested
        return random_search(optimizer, arguments)

    @override
    def select(self, entries: Sequence[Entry]) -> Entry | None:
        return first_unless_greater(entries)  # `score > max(scores)`

    @override
    def open_trial_info(self, scope: CompileScope) -> TrialInfo:
        return self._info(scope, scope.trial_count - 1)

    @staticmethod
    def _info(scope: CompileScope, index: int) -> TrialInfo:
        restrict: Iterable[int] | None = scope.arguments.get("restrict")
        if restrict is None:
            seed = FIRST_SEED + index
        else:
            seed = sorted(seed for seed in set(restrict) if seed >= FIRST_SEED)[index]
        return TrialInfo(
            kind=TrialKind.BASELINE if seed == FIRST_SEED else TrialKind.CANDIDATE,
            label=f"seed {seed}",
            parameters={"seed": seed},
        )
