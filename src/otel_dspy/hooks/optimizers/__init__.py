"""Hooks for DSPy's optimizers, one module each, and the API for hooks of other optimizers.

The exports are what the author of a hook needs; see docs/adding-an-optimizer.md. `base` holds the generic hook, which
applies to all other optimizers.
"""

from __future__ import annotations

import warnings
from typing import Any, Final

from otel_dspy.hooks.optimizers.base import OptimizerHook, arguments_of, compile_of, record_setup
from otel_dspy.hooks.optimizers.hook_registry import GROUP, register, unregister
from otel_dspy.hooks.optimizers.phase import PhaseHook
from otel_dspy.hooks.optimizers.plans.call_plan import Amount, CallPlan, NestedPlan
from otel_dspy.hooks.patching.call_hook import CallHook, wrap_call
from otel_dspy.hooks.patching.patches import Patches
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.programs import ProgramSnapshot, snapshot_if_program
from otel_dspy.telemetry.call_context import current_call_context
from otel_dspy.telemetry.emitter import Telemetry
from otel_dspy.telemetry.open_scopes import CompileScope, TrialScope
from otel_dspy.telemetry.optimizer_hook_state import StateKey
from otel_dspy.telemetry.spans.evaluate import EvaluateInfo
from otel_dspy.telemetry.spans.setup import DatasetInfo
from otel_dspy.telemetry.spans.trial import close_trial, open_trial
from otel_dspy.telemetry.spans.trial_info import Scope, ScoreUnit, TrialInfo, TrialKind, TrialOutcome, TrialState
from otel_dspy.telemetry.tallies.lm_roles import JUDGE, PROMPT, REFLECTION, TASK, Role

__all__ = [
    "GROUP",
    "JUDGE",
    "PROMPT",
    "REFLECTION",
    "TASK",
    "Amount",
    "CallHook",
    "CallPlan",
    "CompileScope",
    "DatasetInfo",
    "EvaluateInfo",
    "NestedPlan",
    "OptimizerHook",
    "Patches",
    "PhaseHook",
    "ProgramSnapshot",
    "Role",
    "Scope",
    "ScoreUnit",
    "StateKey",
    "Telemetry",
    "TrialInfo",
    "TrialKind",
    "TrialOutcome",
    "TrialScope",
    "TrialState",
    "arguments_of",
    "close_trial",
    "compile_of",
    "current_call_context",
    "guarded",
    "open_trial",
    "record_setup",
    "register",
    "snapshot_if_program",
    "unregister",
    "wrap_call",
]

_RENAMED: Final = {
    "DatasetFacts": "DatasetInfo",
    "EvaluateFacts": "EvaluateInfo",
    "PhaseWatch": "PhaseHook",
    "TrialFacts": "TrialInfo",
    "Watch": "CallHook",
    "around": "wrap_call",
    "current_place": "current_call_context",
    "tell_setup": "record_setup",
}
"""Deprecated name -> current name, for hooks in other packages."""


def __getattr__(name: str) -> Any:
    """Return the object of a deprecated name, with a DeprecationWarning.

    Raises:
        AttributeError: the name is neither exported nor deprecated.
    """
    if name not in _RENAMED:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    message = f"{__name__}.{name} is deprecated, import {_RENAMED[name]} instead"
    warnings.warn(message, DeprecationWarning, stacklevel=2)
    return globals()[_RENAMED[name]]
