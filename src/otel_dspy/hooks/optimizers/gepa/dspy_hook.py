"""Hook for DSPy's GEPA, including `dspy.Flex` programs: a trial for the seed and for every proposal, accepted or not.

Source: `dspy/teleprompt/gepa/gepa.py` and `gepa_utils.py` of dspy 3.4.1, `gepa.optimize` of gepa 0.1.4. A callback
added to the user's (`callback.py`) provides the data of the trials. Hooks around the methods of `DspyAdapter` that run
programs, metrics and the reflection model open the phases.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from opentelemetry.util.genai.utils import bind_arguments
from typing_extensions import override

from otel_dspy.hooks.optimizers.base import OptimizerHook, compile_of, record_setup
from otel_dspy.hooks.optimizers.gepa.adapters import instrument_adapter
from otel_dspy.hooks.optimizers.gepa.callback import GepaEvents
from otel_dspy.hooks.optimizers.gepa.phases import EVENTS, evaluation_info
from otel_dspy.hooks.optimizers.plans.gepa import gepa
from otel_dspy.hooks.patching.call_hook import CallHook, wrap_call
from otel_dspy.telemetry.spans.trial_info import ScoreUnit
from otel_dspy.telemetry.tallies.leaderboard import first_unless_greater

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_dspy.hooks.optimizers.plans.call_plan import CallPlan, NestedPlan
    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope
    from otel_dspy.telemetry.spans.evaluate import EvaluateInfo
    from otel_dspy.telemetry.tallies.leaderboard import Entry

_EFFECTIVE: Final = (
    "max_metric_calls",
    "frontier_type",
    "acceptance_criterion",
    "sampling_strategy",
    "selection_strategy",
    "batch_sampler",
    "val_evaluation_policy",
    "cache_evaluation",
    "merge_val_overlap_floor",
    "use_cloudpickle",
    "raise_on_exception",
)
"""Arguments of `gepa.optimize` that `auto`, `gepa_kwargs` or defaults determine."""


class GEPAHook(OptimizerHook):
    """Records calls of `gepa.optimize` inside a GEPA compile."""

    optimizer = "dspy.teleprompt.gepa.gepa.GEPA"
    unit = ScoreUnit.RATIO
    resolves_setup = True
    attribute_names: ClassVar[Mapping[str, str]] = {
        "metric": "metric_fn",
        "instruction_proposer": "custom_instruction_proposer",
        "code_proposer": "custom_code_proposer",
    }

    @override
    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        import gepa  # noqa: PLC0415 - imported when DSPy, which imports it, is instrumented

        if "callbacks" not in inspect.signature(cast("Any", gepa).optimize).parameters:
            # Before gepa 0.0.27 the generic rule applies: an Evaluate is a trial.
            self.resolves_setup = False
            self.unit = ScoreUnit.PERCENT
            patches.lacking("gepa.optimize(callbacks=…) (proposals; a trial is an evaluation)")
            return
        from dspy.teleprompt.gepa.gepa_utils import DspyAdapter  # noqa: PLC0415 - as above

        def optimization(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
            scope = compile_of(GEPAHook)
            if scope is None or scope.state.get(EVENTS) is not None:
                return None
            arguments = bind_arguments(wrapped, args, kwargs, apply_defaults=True)
            events = GepaEvents(telemetry, scope, arguments["adapter"])
            # `kwargs` belongs to this call and is passed to `gepa.optimize`. The user's list is not modified.
            kwargs["callbacks"] = [events, *(kwargs.get("callbacks") or ())]
            return _OptimizationHook(scope, events, arguments)

        patches.wrap(gepa, "optimize", wrap_call(optimization))
        instrument_adapter(patches, telemetry, DspyAdapter)

    @override
    def plan(self, optimizer: Any, arguments: Mapping[str, Any], nested: NestedPlan) -> CallPlan | None:
        del nested
        return gepa(optimizer, arguments)

    @override
    def select(self, entries: Sequence[Entry]) -> Entry | None:
        return first_unless_greater(entries)  # `max` over the pool (`GEPAResult.best_idx`)

    @override
    def evaluation(self, info: EvaluateInfo, program: ProgramSnapshot | None) -> EvaluateInfo:
        return evaluation_info(info, program)


class _OptimizationHook(CallHook):
    """Records one call of `gepa.optimize`: emits the setup, and ends the trials that an exception left open."""

    part = "GEPA's record"

    def __init__(self, scope: CompileScope, events: GepaEvents, arguments: Kwargs) -> None:
        self._scope = scope
        self._events = events
        self._arguments = arguments

    @override
    def open(self) -> None:
        self._scope.state.set(EVENTS, self._events)
        given = self._arguments
        resolved = {name: _named(given[name]) for name in _EFFECTIVE if name in given}
        # gepa's default is passed as None.
        resolved["val_evaluation_policy"] = resolved.get("val_evaluation_policy") or "full_eval"
        resolved |= {"components": sorted(given["seed_candidate"]), "valset": given.get("valset")}
        record_setup(self._scope, resolved)
        self._events.resume.runs_in(given.get("run_dir"))

    @override
    def close(self, error: BaseException | None) -> None:
        self._events.finish(error)


def _named(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float | str) else type(value).__name__
