"""Hook for gepa without DSPy's GEPA class: `gepa.optimize`, `optimize_anything`, and their callers.

Source: `gepa/core/engine.py` of gepa 0.1.4. Every entry point of gepa creates a `GEPAEngine` and calls `run`, which is
recorded as the compile. This includes MLflow's `optimize_prompts`, and functions that were imported before DSPy was
instrumented.
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, Final, cast

import wrapt
from typing_extensions import override

from otel_dspy.hooks.optimizers.base import OptimizerHook
from otel_dspy.hooks.optimizers.gepa import lm as gepa_lm
from otel_dspy.hooks.optimizers.gepa.adapters import instrument_adapter, instrument_merges, instrument_proposer
from otel_dspy.hooks.optimizers.gepa.callback import GepaEvents
from otel_dspy.hooks.optimizers.gepa.engine_run import RunHook
from otel_dspy.hooks.optimizers.gepa.parameters import call_arguments
from otel_dspy.hooks.optimizers.gepa.phases import evaluation_info
from otel_dspy.hooks.patching.call_hook import wrap_call
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.telemetry.spans.trial_info import ScoreUnit
from otel_dspy.telemetry.tallies.leaderboard import first_unless_greater

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_dspy.hooks.patching.call_hook import Args, CallHook, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.spans.evaluate import EvaluateInfo
    from otel_dspy.telemetry.tallies.leaderboard import Entry

_ENGINE: Final = "gepa.core.engine"


class GepaEngineHook(OptimizerHook):
    """Records a run of gepa's engine as a compile."""

    optimizer = "gepa.core.engine.GEPAEngine"
    unit = ScoreUnit.RATIO

    @override
    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        def instrument(_module: object = None) -> None:
            if patches.active:
                with guarded("the hook of gepa"):
                    self._instrument(patches, telemetry)

        if _ENGINE in sys.modules:
            instrument()
        else:  # DSPy before 3.0 doesn't import gepa, so otel-dspy doesn't either
            wrapt.register_post_import_hook(instrument, "gepa")

    def _instrument(self, patches: Patches, telemetry: Telemetry) -> None:
        from gepa.core.engine import GEPAEngine  # noqa: PLC0415 - imported already
        from gepa.proposer.merge import MergeProposer  # noqa: PLC0415
        from gepa.proposer.reflective_mutation.reflective_mutation import (  # noqa: PLC0415
            ReflectiveMutationProposer,
        )

        if "callbacks" not in inspect.signature(cast("Any", GEPAEngine).__init__).parameters:
            patches.lacking("GEPAEngine(callbacks=…) (runs of gepa without DSPy's GEPA class)")  # before gepa 0.0.27
            return

        def run(_wrapped: Callable[..., Any], instance: Any, _args: Args, _kwargs: Kwargs) -> CallHook | None:
            if any(isinstance(one, GepaEvents) for one in instance.callbacks or ()):
                return None  # DSPy's GEPA runs it
            with guarded("the adapter of gepa"):
                instrument_adapter(patches, telemetry, cast("type[Any]", type(instance.adapter)))
            return RunHook(self, telemetry, instance, call_arguments(instance))

        patches.wrap(GEPAEngine, "run", wrap_call(run))
        instrument_merges(patches, telemetry, MergeProposer)
        instrument_proposer(patches, telemetry, ReflectiveMutationProposer)
        gepa_lm.install(patches, telemetry)

    @override
    def select(self, entries: Sequence[Entry]) -> Entry | None:
        return first_unless_greater(entries)  # `max` over the pool (`GEPAResult.best_idx`)

    @override
    def evaluation(self, info: EvaluateInfo, program: ProgramSnapshot | None) -> EvaluateInfo:
        return evaluation_info(info, program)
