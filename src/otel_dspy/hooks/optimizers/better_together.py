"""Hook for BetterTogether: a trial for the given program, and one for each step of the strategy.

Source: `dspy/teleprompt/bettertogether.py` of dspy 3.4.1; `_run_and_evaluate_step` exists since 3.2.0. A step compiles
with the optimizer that the strategy names and scores the result, so the nested compile is a child of the step's trial.
A step that raises ends the strategy; the best program so far is returned, with `flag_compilation_error_occurred`. An
evaluation that raises counts as 0.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.util.genai.utils import bind_arguments
from typing_extensions import override

from otel_dspy import semconv
from otel_dspy.hooks.optimizers.base import OptimizerHook, compile_of, record_setup
from otel_dspy.hooks.optimizers.plans.better_together import better_together
from otel_dspy.hooks.patching.call_hook import CallHook, wrap_call
from otel_dspy.hooks.patching.wrapper_frames import hidden_frame
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.programs import snapshot_if_program
from otel_dspy.telemetry.spans.trial import close_trial, open_trial
from otel_dspy.telemetry.spans.trial_info import TrialInfo, TrialKind, TrialOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context

    from otel_dspy.hooks.optimizers.plans.call_plan import CallPlan, NestedPlan
    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope
    from otel_dspy.telemetry.spans.evaluate import EvaluateInfo
    from otel_dspy.telemetry.tallies.leaderboard import Entry


class BetterTogetherHook(OptimizerHook):
    """Records the steps as trials, labeled by the strategy up to the step."""

    optimizer = "dspy.teleprompt.bettertogether.BetterTogether"
    resolves_setup = True

    @override
    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        from dspy.teleprompt.bettertogether import BetterTogether  # noqa: PLC0415 - imported when it is instrumented

        def step(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
            scope = compile_of(BetterTogetherHook)
            return None if scope is None else _StepHook(telemetry, scope, bind_arguments(wrapped, args, kwargs))

        patches.wrap(BetterTogether, "_prepare_trainset_and_valset", _split)
        patches.wrap(BetterTogether, "_run_and_evaluate_step", wrap_call(step))
        # Before DSPy 3.2 steps aren't evaluated: there are no trials and no resolved settings.
        self.resolves_setup = hasattr(BetterTogether, "_prepare_trainset_and_valset")

    @override
    def parameters(self, optimizer: Any, arguments: Mapping[str, Any]) -> dict[str, object]:
        values = super().parameters(optimizer, arguments)
        used: Mapping[str, object] | None = getattr(optimizer, "optimizers", None)
        if used is None:  # before DSPy 3.2: two optimizers, as attributes
            return {
                name: type(value).__name__ if name.endswith("_optimizer") else value for name, value in values.items()
            }
        given: Mapping[str, Mapping[str, object]] = arguments.get("optimizer_compile_args") or {}
        values.pop("optimizer_compile_args", None)
        values |= {f"optimizers.{key}": type(used[key]).__name__ for key in used}
        return values | {
            f"optimizer_compile_args.{key}.{name}": value for key in given for name, value in given[key].items()
        }

    @override
    def trial(self, scope: CompileScope, program: Any, evaluation: EvaluateInfo) -> TrialInfo:
        del scope, program
        # Steps open their own trials; an evaluation outside of them is that of the given program.
        return TrialInfo(kind=TrialKind.BASELINE, label="no step", scope=evaluation.scope, parameters={"strategy": ""})

    @override
    def plan(self, optimizer: Any, arguments: Mapping[str, Any], nested: NestedPlan) -> CallPlan | None:
        return better_together(optimizer, arguments, nested)

    @override
    def select(self, entries: Sequence[Entry]) -> Entry | None:
        """Return the first candidate with the largest score, by the same sort as BetterTogether.

        The order is undefined if a score is NaN, as in BetterTogether. The given program counts as 0.0 if its
        evaluation failed; a step without a score is not a candidate.
        """
        scores = [
            0.0 if entry.score is None and entry.failed and entry.index == 0 else entry.score for entry in entries
        ]
        candidates = [(score, -position) for position, score in enumerate(scores) if score is not None]
        candidates.sort(reverse=True)
        return entries[-candidates[0][1]] if candidates else None

    @override
    def ended(self, telemetry: Telemetry, scope: CompileScope, program: Any, error: BaseException | None) -> None:
        failed = getattr(program, "flag_compilation_error_occurred", None)
        if error is None and isinstance(failed, bool):
            scope.span.set_attribute(semconv.DSPY_COMPILE_STEP_FAILED, failed)


def _split(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
    with hidden_frame:
        result = wrapped(*args, **kwargs)
    with guarded("BetterTogether's validation set"):
        scope = compile_of(BetterTogetherHook)
        if scope is not None:
            record_setup(scope, {"valset": result[1]})
    return result


class _StepHook(CallHook):
    part = "the span of a BetterTogether step"

    def __init__(self, telemetry: Telemetry, scope: CompileScope, arguments: Kwargs) -> None:
        self._telemetry = telemetry
        self._scope = scope
        self._arguments = arguments
        self._score: float | None = None
        self._program: ProgramSnapshot | None = None

    @override
    def open(self) -> Context:
        self._parents: list[str] = []
        with guarded("the program that a step begins with"):
            before = snapshot_if_program(self._arguments["student"])
            self._parents = [] if before is None else [before.id]
        self._trial = open_trial(self._telemetry, self._scope)
        return self._trial.context

    @override
    def record_result(self, result: Any) -> None:
        program, self._score, *_ = result
        self._program = snapshot_if_program(program)

    @override
    def close(self, error: BaseException | None) -> None:
        strategy = self._arguments["current_strategy"]
        info = TrialInfo(
            kind=TrialKind.STEP,
            label=strategy,
            parameters={"strategy": strategy, "optimizer": type(self._arguments["optimizer"]).__name__},
            parent_program_ids=self._parents,
        )
        outcome = TrialOutcome(score=self._score, program=self._program, error=error)
        close_trial(self._telemetry, self._trial, info, outcome)
