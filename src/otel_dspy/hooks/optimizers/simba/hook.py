"""Hook for SIMBA: a step for each mini-batch, a trial for each candidate, and a trial for each validated program.

Source: `dspy/teleprompt/simba.py` and `simba_utils.py` of dspy 3.4.1. A step samples trajectories, builds candidates by
strategies (append a demo, append a rule) and scores them. Scores are raw means; `dspy.Parallel` runs the examples, not
Evaluate. The order of the calls determines their purpose: `prepare_models_for_resampling` begins a step; the first
`Parallel` after it samples, the second scores the candidates; one outside of a step validates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import wrapt
from opentelemetry.util.genai.utils import bind_arguments
from typing_extensions import override

from otel_dspy.hooks.optimizers.base import OptimizerHook, compile_of
from otel_dspy.hooks.optimizers.plans.simba import simba
from otel_dspy.hooks.optimizers.simba.compile_state import Search
from otel_dspy.hooks.optimizers.simba.scoring import ScoringHook, tagged
from otel_dspy.hooks.optimizers.simba.strategy import StrategyHook
from otel_dspy.hooks.patching.attribute_probe import AttributeProbe
from otel_dspy.hooks.patching.call_hook import wrap_call
from otel_dspy.hooks.patching.wrapper_frames import hidden_frame
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.telemetry.optimizer_hook_state import StateKey
from otel_dspy.telemetry.spans.trial_info import ScoreUnit
from otel_dspy.telemetry.tallies.leaderboard import first_unless_greater

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_dspy.hooks.optimizers.plans.call_plan import CallPlan, NestedPlan
    from otel_dspy.hooks.patching.call_hook import Args, CallHook, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope
    from otel_dspy.telemetry.tallies.leaderboard import Entry

_SEARCH: Final[StateKey[Search]] = StateKey("SIMBA")


class SIMBAHook(OptimizerHook):
    """Records SIMBA's steps, strategies and scoring."""

    optimizer = "dspy.teleprompt.simba.SIMBA"
    unit = ScoreUnit.RATIO

    @override
    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        from dspy.predict.parallel import Parallel  # noqa: PLC0415 - imported when it is instrumented
        from dspy.teleprompt import simba as module  # noqa: PLC0415 - as above

        def step(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
            with guarded("the span of a SIMBA step"):
                search = _search(telemetry)
                if search is not None:
                    arguments = bind_arguments(wrapped, args, kwargs)
                    search.begin_step(arguments["program"], cast("int", arguments["n"]))
            with hidden_frame:
                return wrapped(*args, **kwargs)

        def scoring(_wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
            search = _search(telemetry)
            pairs: list[tuple[Any, Any]] | None = args[0] if args else kwargs.get("exec_pairs")
            if search is None or pairs is None or not search.scores(pairs):
                return None
            return ScoringHook(telemetry, search, pairs)

        def program(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
            search = _search(telemetry)
            with hidden_frame:
                return wrapped(*args, **kwargs) if search is None else tagged(telemetry, search, wrapped, args, kwargs)

        patches.wrap(module, "prepare_models_for_resampling", step)
        patches.wrap(module, "wrap_program", program)
        patches.wrap(Parallel, "__call__", wrap_call(scoring))
        patches.replace(module.SIMBA, "strategies", AttributeProbe("strategies", _Strategies(telemetry).observed))

    @override
    def plan(self, optimizer: Any, arguments: Mapping[str, Any], nested: NestedPlan) -> CallPlan | None:
        del nested
        return simba(optimizer, arguments)

    @override
    def select(self, entries: Sequence[Entry]) -> Entry | None:
        return first_unless_greater(entries)  # `max` over the scores of the validated programs

    @override
    def ended(self, telemetry: Telemetry, scope: CompileScope, program: Any, error: BaseException | None) -> None:
        search = scope.state.get(_SEARCH)
        if search is not None:
            search.end_step(error)


def _search(telemetry: Telemetry) -> Search | None:
    scope = compile_of(SIMBAHook)
    if scope is None:
        return None
    return scope.state.get_or_create(_SEARCH, lambda: Search(telemetry, scope))


class _Strategies:
    """Wraps the strategies that SIMBA reads from its attribute during a compile."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def observed(self, instance: Any, strategies: Any) -> Any:
        """Return wrapped strategies inside the optimizer's compile, else the user's list."""
        scope = compile_of(SIMBAHook)
        if scope is None or scope.key != id(instance):
            return strategies
        return [wrapt.FunctionWrapper(strategy, wrap_call(self._create_hook)) for strategy in strategies]

    def _create_hook(self, wrapped: Callable[..., Any], _instance: Any, args: Args, _kwargs: Kwargs) -> CallHook | None:
        search = _search(self._telemetry)
        name = getattr(wrapped, "__name__", type(wrapped).__name__).strip("_")
        return None if search is None else StrategyHook(self._telemetry, search, name, args)
