"""Hook for LabeledFewShot, which records the chosen demos. No trials.

Source: `dspy/teleprompt/vanilla.py` of dspy 3.4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from otel_dspy.hooks.optimizers.base import OptimizerHook
from otel_dspy.hooks.optimizers.predictors import emit_demos

if TYPE_CHECKING:
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope


class LabeledFewShotHook(OptimizerHook):
    """Records the demos in a phase `select`."""

    optimizer = "dspy.teleprompt.vanilla.LabeledFewShot"
    compiles_without_calls = True
    has_trials = False

    @override
    def ended(self, telemetry: Telemetry, scope: CompileScope, program: Any, error: BaseException | None) -> None:
        if error is None:
            emit_demos(telemetry, scope, program)
