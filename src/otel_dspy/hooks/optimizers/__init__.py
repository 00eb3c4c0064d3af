"""One file an optimizer: what its trial is and where its facts stand; `base` is the rule for those that nobody knows.

What is exported here is what the author of a hook needs, in this package or in another's: see
docs/adding-an-optimizer.md.
"""

from __future__ import annotations

from otel_dspy.guard import guarded
from otel_dspy.hooks.around import Watch, around
from otel_dspy.hooks.optimizers.base import OptimizerHook, arguments_of, compile_of, tell_setup
from otel_dspy.hooks.optimizers.registry import GROUP, register, unregister
from otel_dspy.hooks.patches import Patches
from otel_dspy.hooks.phase import PhaseWatch
from otel_dspy.programs import ProgramSnapshot, snapshot_if_program
from otel_dspy.telemetry.compile_spans import DatasetFacts
from otel_dspy.telemetry.emitter import Telemetry
from otel_dspy.telemetry.evaluate_spans import EvaluateFacts
from otel_dspy.telemetry.scopes import CompileScope, TrialScope, current_place
from otel_dspy.telemetry.trial_spans import (
    Scope,
    ScoreUnit,
    TrialFacts,
    TrialKind,
    TrialOutcome,
    TrialState,
    close_trial,
    open_trial,
)
from otel_dspy.telemetry.usage import JUDGE, PROMPT, REFLECTION, TASK, Role

__all__ = [
    "GROUP",
    "JUDGE",
    "PROMPT",
    "REFLECTION",
    "TASK",
    "CompileScope",
    "DatasetFacts",
    "EvaluateFacts",
    "OptimizerHook",
    "Patches",
    "PhaseWatch",
    "ProgramSnapshot",
    "Role",
    "Scope",
    "ScoreUnit",
    "Telemetry",
    "TrialFacts",
    "TrialKind",
    "TrialOutcome",
    "TrialScope",
    "TrialState",
    "Watch",
    "arguments_of",
    "around",
    "close_trial",
    "compile_of",
    "current_place",
    "guarded",
    "open_trial",
    "register",
    "snapshot_if_program",
    "tell_setup",
    "unregister",
]
