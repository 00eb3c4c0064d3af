"""Hook for Ensemble, which combines several programs into one with the state of all. No trials.

Source: `dspy/teleprompt/ensemble.py` of dspy 3.4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from otel_dspy.hooks.optimizers.base import OptimizerHook
from otel_dspy.serialization.programs import program_name

if TYPE_CHECKING:
    from collections.abc import Mapping


class EnsembleHook(OptimizerHook):
    """Records the number of programs, and the name of the first as the program name."""

    optimizer = "dspy.teleprompt.ensemble.Ensemble"
    compiles_without_calls = True
    has_trials = False

    @override
    def program_name(self, arguments: Mapping[str, Any]) -> str:
        return program_name(next(iter(arguments["programs"]), None))

    @override
    def parameters(self, optimizer: Any, arguments: Mapping[str, Any]) -> dict[str, object]:
        values = super().parameters(optimizer, arguments)
        values["programs"] = len(arguments.get("programs") or ())
        return values
