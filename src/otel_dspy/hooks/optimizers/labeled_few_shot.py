"""Hook for LabeledFewShot, which records the chosen demos. No trials.

Source: `dspy/teleprompt/vanilla.py` of dspy 3.4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from otel_dspy.hooks.optimizers.base import OptimizerHook
from otel_dspy.hooks.optimizers.plans.call_plan import CallPlan
from otel_dspy.hooks.optimizers.predictors import emit_demos

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.hooks.optimizers.plans.call_plan import NestedPlan
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope


class LabeledFewShotHook(OptimizerHook):
    """Records the demos in a phase `select`."""

    optimizer = "dspy.teleprompt.vanilla.LabeledFewShot"
    has_trials = False

    @override
    def plan(self, optimizer: Any, arguments: Mapping[str, Any], nested: NestedPlan) -> CallPlan | None:
        del optimizer, arguments, nested
        return CallPlan()

    @override
    def ended(self, telemetry: Telemetry, scope: CompileScope, program: Any, error: BaseException | None) -> None:
        if error is None:
            emit_demos(telemetry, scope, program)
