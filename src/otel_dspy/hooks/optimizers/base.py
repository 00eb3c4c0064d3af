"""The shape that every optimizer's hook has. The base class is the generic rule, for optimizers that nobody knows."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, cast

from otel_dspy.serialization.programs import program_name
from otel_dspy.telemetry.call_context import current_call_context
from otel_dspy.telemetry.leaderboard import greatest
from otel_dspy.telemetry.spans.compile import DatasetFacts
from otel_dspy.telemetry.spans.trial import TrialFacts
from otel_dspy.telemetry.usage import TASK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.call_context import CompileScope
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.leaderboard import Entry
    from otel_dspy.telemetry.spans.evaluate import EvaluateFacts
    from otel_dspy.telemetry.usage import Role

_THREADS = "num_threads"
_EXAMPLES = {"trainset": ("train", "trainset"), "valset": ("validation", "valset")}


class OptimizerHook:
    """What is known of one optimizer. As it stands: an Evaluate directly under a compile is a trial.

    A subclass names the optimizer's class and overrides what it knows better.
    """

    optimizer: ClassVar[str] = "dspy.teleprompt.teleprompt.Teleprompter"
    """Module and name of the optimizer's class; its subclasses are meant too."""
    resolves_setup: bool = False
    """True where the optimizer resolves its settings early in compile, and the hook emits the setup then."""
    nested_compile_opens_trial: ClassVar[bool] = False
    """True where a nested compile makes the candidate that the next evaluation scores."""
    has_trials: ClassVar[bool] = True
    """False where the optimizer scores nothing: a compile of it inside a program's call is a part of that call."""
    role: ClassVar[Role] = TASK
    """What the LM calls are for that the optimizer makes by itself, outside of phases, trials and evaluations."""
    attribute_names: ClassVar[Mapping[str, str]] = {}
    """Constructor parameter -> attribute that holds it, where the two differ."""

    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        """Put watches around the optimizer's own seams."""

    def arguments(self, optimizer: Any, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Compile's effective arguments by name, with what the optimizer holds in the place of some."""
        del optimizer
        return arguments

    def program_name(self, arguments: Mapping[str, Any]) -> str:
        """`dspy.program.name` of what is compiled."""
        return program_name(arguments.get("student"))

    def parameters(self, optimizer: Any, arguments: Mapping[str, Any]) -> dict[str, object]:
        """The optimizer's parameters by name: the constructor's, then compile's arguments where they are given.

        Args:
            optimizer: the user's object; its attributes are read, never written.
            arguments: compile's effective arguments by name, defaults included.
        """
        attributes = cast("dict[str, object]", vars(optimizer))
        values: dict[str, object] = {}
        public = [key for key in attributes if not key.startswith("_")]
        for name in _constructor_parameters(cast("type[object]", type(optimizer))) or public:
            held = self.attribute_names.get(name, name)
            if attributes.get(held) is not None:
                values[name] = attributes[held]
        values.update({name: value for name, value in arguments.items() if value is not None})
        for name in ("student", "teacher", *_EXAMPLES):
            values.pop(name, None)
        if values.get(_THREADS) == 0:
            values[_THREADS] = _threads_of_settings()
        return values

    def datasets(self, arguments: Mapping[str, Any]) -> list[DatasetFacts]:
        """The datasets among compile's arguments."""
        return [
            DatasetFacts(role=role, name=name, examples=arguments[argument])
            for argument, (role, name) in _EXAMPLES.items()
            if isinstance(arguments.get(argument), list | tuple)
        ]

    def trial(self, scope: CompileScope, program: Any, evaluation: EvaluateFacts) -> TrialFacts:
        """What the evaluation, directly under this optimizer's compile, is a trial of."""
        del scope, program
        return TrialFacts(scope=evaluation.scope, derived=True)

    def select(self, entries: Sequence[Entry]) -> Entry | None:
        """Which of the full-scope trials so far, in the order of their ends, the optimizer would return; None = none.

        It decides `dspy.trial.is_best` and the best score. Here: the first with the largest score.
        """
        return greatest(entries)

    def evaluation(self, facts: EvaluateFacts, program: ProgramSnapshot | None) -> EvaluateFacts:
        """What is known better of an evaluation anywhere inside this optimizer's compile. `program`: what it runs."""
        del program
        return facts

    def evaluated(self, scope: CompileScope, facts: EvaluateFacts, result: Any) -> None:
        """An evaluation anywhere inside this optimizer's compile has returned what `Evaluate` returns."""

    def ended(self, telemetry: Telemetry, scope: CompileScope, program: Any, error: BaseException | None) -> None:
        """The compile has returned `program`, or raised; its span is still open. End what the hook has left open."""

    def open_trial_facts(self, scope: CompileScope) -> TrialFacts:
        """What the trial that was opened ahead is, when the compile ends before it was scored."""
        del scope
        return TrialFacts()


def compile_of(hook: type[OptimizerHook]) -> CompileScope | None:
    """The compile around the caller, where a hook of this class serves it."""
    scope = current_call_context().compile
    return scope if scope is not None and isinstance(scope.notes.get("hook"), hook) else None


def arguments_of(scope: CompileScope) -> Mapping[str, Any]:
    """The effective arguments of the compile, by name."""
    return scope.notes["arguments"]


def tell_setup(scope: CompileScope, resolved: Mapping[str, Any]) -> None:
    """Tell the compile's setup now, where the hook's `resolves_setup` is true; a second call tells nothing.

    Args:
        scope: the compile.
        resolved: parameters as the optimizer has resolved them, and `valset` where it is another than the one given.
    """
    scope.notes["resolve"](resolved)


def _threads_of_settings() -> int:
    """What DSPy uses where it is given no threads (`dspy.utils.parallelizer.ParallelExecutor`)."""
    import dspy  # noqa: PLC0415 - dspy is imported when it is instrumented

    return cast("Any", dspy).settings.num_threads


def _constructor_parameters(cls: type[Any]) -> list[str]:
    names: dict[str, None] = {}
    for base in cls.__mro__:
        constructor = vars(base).get("__init__")
        if constructor is None or base is object:
            continue
        parameters = list(inspect.signature(constructor).parameters.values())[1:]
        names.update(dict.fromkeys(p.name for p in parameters if p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}))
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return list(names)
