"""Hook for MIPROv2: a trial for the default program, for each candidate, and for each periodic full evaluation.

Source: `dspy/teleprompt/mipro_optimizer_v2.py` of dspy 3.4.1. `eval_candidate_program` produces every score; it
swallows exceptions of the evaluation and returns 0.0. A full evaluation runs inside the objective of a minibatch
trial, on the same candidate object, by which its parameters are found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.util.genai.utils import bind_arguments
from typing_extensions import override

from otel_dspy import semconv
from otel_dspy.hooks.optimizers.base import OptimizerHook, compile_of, record_setup
from otel_dspy.hooks.optimizers.mipro_v2.compile_state import Choice, compile_state
from otel_dspy.hooks.optimizers.mipro_v2.trial import FullEvaluationHook, TrialHook
from otel_dspy.hooks.optimizers.phase import PhaseHook
from otel_dspy.hooks.optimizers.plans.mipro_v2 import mipro_v2
from otel_dspy.hooks.optimizers.predictors import predictors
from otel_dspy.hooks.patching.call_hook import wrap_call
from otel_dspy.hooks.patching.wrapper_frames import hidden_frame
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.telemetry.tallies.leaderboard import first_unless_greater
from otel_dspy.telemetry.tallies.lm_roles import PROMPT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_dspy.hooks.optimizers.plans.call_plan import CallPlan, NestedPlan
    from otel_dspy.hooks.patching.call_hook import Args, CallHook, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope
    from otel_dspy.telemetry.tallies.leaderboard import Entry

_RESOLVED: Final = ("num_trials", "valset", "minibatch", "num_instruct_candidates", "num_fewshot_candidates")
"""What `_set_hyperparams_from_run_mode` returns, in its order."""
_PHASES: Final = {
    "_bootstrap_fewshot_examples": ("bootstrap", semconv.DSPY_PHASE_DEMOS),
    "_propose_instructions": ("propose", semconv.DSPY_PHASE_INSTRUCTIONS),
    "_optimize_prompt_parameters": ("search", None),
}


class MIPROv2Hook(OptimizerHook):
    """Records MIPROv2's phases, and every evaluation of a candidate as a trial."""

    optimizer = "dspy.teleprompt.mipro_optimizer_v2.MIPROv2"
    resolves_setup = True

    @override
    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        from dspy.teleprompt import mipro_optimizer_v2 as module  # noqa: PLC0415 - imported when it is instrumented

        cls = module.MIPROv2

        def evaluation(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
            scope = _compile()
            return None if scope is None else TrialHook(telemetry, scope, bind_arguments(wrapped, args, kwargs))

        def full_evaluation(
            _wrapped: Callable[..., Any], _instance: Any, _args: Args, _kwargs: Kwargs
        ) -> CallHook | None:
            scope = _compile()
            return None if scope is None else FullEvaluationHook(scope)

        def phase(name: str, product: str | None) -> Callable[..., CallHook | None]:
            def create_hook(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
                scope = _compile()
                if scope is None:
                    return None
                opened = PhaseHook(telemetry, scope, name, product)
                opened.role = PROMPT if name == "propose" else None
                with guarded("the predictors of MIPROv2's program"):
                    program = bind_arguments(wrapped, args, kwargs).get("program")
                    opened.predictors = [path for path, _ in predictors(program)]
                return opened

            return create_hook

        patches.wrap(cls, "_set_random_seeds", _seeded)
        patches.wrap(cls, "_set_hyperparams_from_run_mode", _resolved)
        patches.wrap(cls, "_select_and_insert_instructions_and_demos", _chosen)
        patches.wrap(module, "eval_candidate_program", wrap_call(evaluation))
        patches.wrap(cls, "_perform_full_evaluation", wrap_call(full_evaluation))
        for method, (name, product) in _PHASES.items():
            patches.wrap(cls, method, wrap_call(phase(name, product)))

    @override
    def plan(self, optimizer: Any, arguments: Mapping[str, Any], nested: NestedPlan) -> CallPlan | None:
        del nested
        return mipro_v2(optimizer, arguments)

    @override
    def select(self, entries: Sequence[Entry]) -> Entry | None:
        return first_unless_greater(entries)  # a failed evaluation counts as 0.0

    @override
    def parameters(self, optimizer: Any, arguments: Mapping[str, Any]) -> dict[str, object]:
        values = super().parameters(optimizer, arguments)
        values.pop("requires_permission_to_run", None)
        return values


def _compile() -> CompileScope | None:
    return compile_of(MIPROv2Hook)


def _seeded(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
    with guarded("MIPROv2's seed"):
        scope = _compile()
        if scope is not None:
            # `seed or self.seed`: a seed of 0 given to compile is ignored.
            compile_state(scope).seed = bind_arguments(wrapped, args, kwargs)["seed"]
    with hidden_frame:
        return wrapped(*args, **kwargs)


def _resolved(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
    with hidden_frame:
        result = wrapped(*args, **kwargs)
    with guarded("MIPROv2's resolved settings"):
        scope = _compile()
        if scope is not None:
            # DSPy 2.6 returns the first three.
            settings = dict(zip(_RESOLVED, result, strict=False)) | {"seed": compile_state(scope).seed}
            compile_state(scope).minibatch = bool(settings["minibatch"])
            record_setup(scope, settings)
    return result


def _chosen(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
    with hidden_frame:
        result = wrapped(*args, **kwargs)
    with guarded("MIPROv2's choice of a candidate"):
        scope = _compile()
        if scope is not None:
            arguments = bind_arguments(wrapped, args, kwargs)
            candidate = arguments["candidate_program"]
            # The reference to the candidate prevents reuse of its id until it is evaluated in full.
            compile_state(scope).choices[id(candidate)] = Choice(
                candidate, f"trial {arguments['trial_num']}", dict(result[1])
            )
    return result
