"""Base class of optimizer hooks, which is also the generic hook for optimizers without their own."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from otel_dspy.hooks.optimizers.optimizer_parameters import EXAMPLES, parameters_of
from otel_dspy.hooks.optimizers.plans.call_plan import CallPlan
from otel_dspy.serialization.programs import program_name
from otel_dspy.telemetry.call_context import current_call_context
from otel_dspy.telemetry.spans.setup import DatasetInfo
from otel_dspy.telemetry.spans.trial_info import ScoreUnit, TrialInfo
from otel_dspy.telemetry.tallies.leaderboard import greatest
from otel_dspy.telemetry.tallies.lm_roles import TASK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_dspy.hooks.optimizers.plans.call_plan import NestedPlan
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope
    from otel_dspy.telemetry.spans.evaluate import EvaluateInfo
    from otel_dspy.telemetry.tallies.leaderboard import Entry
    from otel_dspy.telemetry.tallies.lm_roles import Role


class OptimizerHook:
    """Describes an optimizer. The generic behavior: each Evaluate directly under a compile is a trial.

    A subclass sets `optimizer` to the optimizer's class and overrides the methods that differ.
    """

    optimizer: ClassVar[str] = "dspy.teleprompt.teleprompt.Teleprompter"
    """Module and name of the optimizer's class; the hook also applies to its subclasses."""
    resolves_setup: bool = False
    """True if the optimizer resolves its settings in compile and the hook emits the setup then (`record_setup`)."""
    nested_compile_opens_trial: ClassVar[bool] = False
    """True if a nested compile produces the candidate that the next evaluation scores."""
    compiles_without_calls: ClassVar[bool] = False
    """True if compile runs no program and calls no model, so that its plan is empty."""
    has_trials: ClassVar[bool] = True
    """False if the optimizer scores no candidates. Its compile inside a program's call is recorded as part of it."""
    role: ClassVar[Role] = TASK
    """`dspy.lm.role` of the optimizer's own LM calls, outside of phases, trials and evaluations."""
    unit: ScoreUnit = ScoreUnit.PERCENT
    """Unit of the optimizer's scores. Evaluations that are trials (`trial`) are recorded in it, too."""
    attribute_names: ClassVar[Mapping[str, str]] = {}
    """Constructor parameter -> attribute that holds it, where the two differ."""

    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        """Wrap methods of the optimizer. Called once, when DSPy is instrumented.

        Args:
            patches: installs wrappers and removes them when DSPy is uninstrumented.
            telemetry: passed to `open_trial`, `close_trial` and the phases.
        """

    def arguments(self, optimizer: Any, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the effective arguments of compile by name, including those that the optimizer itself holds."""
        del optimizer
        return arguments

    def program_name(self, arguments: Mapping[str, Any]) -> str:
        """Return `dspy.program.name` of the compiled program."""
        return program_name(arguments.get("student"))

    def parameters(self, optimizer: Any, arguments: Mapping[str, Any]) -> dict[str, object]:
        """Return the optimizer's parameters by name: the constructor's, overridden by the given arguments of compile.

        One that is None has DSPy's setting where that replaces it, and is left out otherwise, as by MLflow's autolog.

        Args:
            optimizer: the user's object; must not be modified.
            arguments: the effective arguments of compile by name, including defaults.
        """
        return parameters_of(optimizer, arguments, self.attribute_names)

    def datasets(self, arguments: Mapping[str, Any]) -> list[DatasetInfo]:
        """Return the datasets among the arguments of compile."""
        return [
            DatasetInfo(role=role, name=name, examples=arguments[argument])
            for argument, (role, name) in EXAMPLES.items()
            if isinstance(arguments.get(argument), list | tuple)
        ]

    def trial(self, scope: CompileScope, program: Any, evaluation: EvaluateInfo) -> TrialInfo:
        """Return the data of the trial for an evaluation directly under this optimizer's compile.

        Args:
            scope: the compile.
            program: the evaluated program.
            evaluation: data of the evaluation.
        """
        del scope, program
        return TrialInfo(scope=evaluation.scope, derived=True)

    def select(self, entries: Sequence[Entry]) -> Entry | None:
        """Return the trial whose program the optimizer would return; None if there is none.

        The result determines `dspy.trial.is_best` and the best score. Generic: the first with the largest score.

        Args:
            entries: the full-scope trials so far, in the order of their ends.
        """
        return greatest(entries)

    def evaluation(self, info: EvaluateInfo, program: ProgramSnapshot | None) -> EvaluateInfo:
        """Return the data of an evaluation anywhere inside this optimizer's compile, adjusted by the hook.

        Args:
            info: the generic data.
            program: snapshot of the evaluated program; None if it is not a `dspy.Module`.
        """
        del program
        return info

    def evaluated(self, scope: CompileScope, info: EvaluateInfo, result: Any) -> None:
        """Called when an evaluation anywhere inside this optimizer's compile has returned.

        Args:
            scope: the compile.
            info: data of the evaluation.
            result: the return value of `Evaluate`.
        """

    def ended(self, telemetry: Telemetry, scope: CompileScope, program: Any, error: BaseException | None) -> None:
        """Called at the end of the compile, before its span ends. The hook ends the spans that it has left open.

        Args:
            telemetry: passed to `close_trial`.
            scope: the compile.
            program: the return value of compile; None if it raised.
            error: what compile raised.
        """

    def plan(self, optimizer: Any, arguments: Mapping[str, Any], nested: NestedPlan) -> CallPlan | None:
        """Return the program runs and LM calls that a compile will make; None if they cannot be computed.

        Must not modify the optimizer, draw random numbers of the process, or call a model.

        Args:
            optimizer: the user's object.
            arguments: the effective arguments of compile by name, including defaults.
            nested: returns the plan of a compile inside this one.
        """
        del optimizer, arguments, nested
        return CallPlan() if self.compiles_without_calls else None

    def open_trial_info(self, scope: CompileScope) -> TrialInfo:
        """Return the data of a trial that was opened in advance, if the compile ends before it is scored."""
        if type(self).open_trial_facts is not OptimizerHook.open_trial_facts:
            message = f"{type(self).__name__}.open_trial_facts is deprecated, name it open_trial_info"
            warnings.warn(message, DeprecationWarning, stacklevel=2)
        return self.open_trial_facts(scope)

    def open_trial_facts(self, scope: CompileScope) -> TrialInfo:
        """Return the data of `open_trial_info`, whose deprecated name this is."""
        del scope
        return TrialInfo()


def compile_of(hook: type[OptimizerHook]) -> CompileScope | None:
    """Return the innermost compile if its hook is an instance of `hook`, else None."""
    scope = current_call_context().compile
    return scope if scope is not None and isinstance(scope.hook, hook) else None


def arguments_of(scope: CompileScope) -> Mapping[str, Any]:
    """Return the effective arguments of the compile by name."""
    return scope.arguments


def record_setup(scope: CompileScope, resolved: Mapping[str, Any]) -> None:
    """Emit the setup of the compile, for hooks with `resolves_setup`. Later calls have no effect.

    Args:
        scope: the compile.
        resolved: the parameters that the optimizer has resolved, and `valset` if it differs from the given one.
    """
    if scope.resolve is not None:
        scope.resolve(resolved)
