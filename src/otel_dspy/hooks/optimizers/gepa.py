"""GEPA, `dspy.Flex` programs included: a trial the seed, and a trial every proposal, accepted or not.

Source: `dspy/teleprompt/gepa/gepa.py` and `gepa_utils.py` of dspy 3.4.1, `gepa.optimize` of gepa 0.1.4. What happened
is told by gepa's own callbacks (`gepa_events.py`), which stand beside the user's; where it happened, by watches around
the methods of `DspyAdapter` that run programs, metrics and the reflection model.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from opentelemetry.context import create_key, get_value, set_value
from opentelemetry.util.genai.utils import bind_arguments
from typing_extensions import override

from otel_dspy.hooks.around import Watch, around
from otel_dspy.hooks.optimizers.base import OptimizerHook, compile_of
from otel_dspy.hooks.optimizers.gepa_events import GepaEvents
from otel_dspy.hooks.phase import PhaseWatch
from otel_dspy.telemetry.leaderboard import first_unless_greater
from otel_dspy.telemetry.scopes import current_place
from otel_dspy.telemetry.trial_spans import Scope
from otel_dspy.telemetry.usage import JUDGE, REFLECTION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context

    from otel_dspy.hooks.around import Args, Kwargs
    from otel_dspy.hooks.optimizers.gepa_events import Proposal
    from otel_dspy.hooks.patches import Patches
    from otel_dspy.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.evaluate_spans import EvaluateFacts
    from otel_dspy.telemetry.leaderboard import Entry
    from otel_dspy.telemetry.scopes import CompileScope

_EVENTS: Final = "gepa"
_EVALUATION: Final = create_key("otel_dspy.gepa.evaluation")
_RESUME: Final = "resume"
_PHASES: Final = {"parent": "evaluate_parent", "candidate": "evaluate_candidate", "validation": "validate"}
"""What an evaluation is for -> the phase that it is."""
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
"""Arguments of `gepa.optimize` that `auto` or `gepa_kwargs` decide, or its defaults."""
_CHECKPOINT: Final = "gepa_state.bin"
"""The file in `log_dir` that gepa resumes from (`initialize_gepa_state`)."""


class GEPAHook(OptimizerHook):
    """Listens to `gepa.optimize` inside a GEPA compile."""

    optimizer = "dspy.teleprompt.gepa.gepa.GEPA"
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
            # Before gepa 0.0.27: the rule for optimizers that nobody knows is left, an Evaluate is a trial.
            self.resolves_setup = False
            patches.lacking("gepa.optimize(callbacks=…) (proposals; a trial is an evaluation)")
            return
        from gepa.proposer.merge import MergeProposer  # noqa: PLC0415 - as above

        def optimisation(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Watch | None:
            scope = compile_of(GEPAHook)
            if scope is None or _EVENTS in scope.notes:
                return None
            arguments = bind_arguments(wrapped, args, kwargs, apply_defaults=True)
            events = GepaEvents(telemetry, scope, arguments["adapter"])
            # The dict is this call's own: what is put in here is what `gepa.optimize` gets. The user's list stays his.
            kwargs["callbacks"] = [events, *(kwargs.get("callbacks") or ())]
            return _OptimisationWatch(scope, events, arguments)

        def merging(_wrapped: Callable[..., Any], _instance: Any, _args: Args, _kwargs: Kwargs) -> Watch | None:
            events = _events()
            return None if events is None else PhaseWatch(telemetry, events.scope, "merge", None)

        patches.wrap(gepa, "optimize", around(optimisation))
        patches.wrap(MergeProposer, "propose", around(merging))
        _watch_adapter(patches, telemetry)

    @override
    def select(self, entries: Sequence[Entry]) -> Entry | None:
        return first_unless_greater(entries)  # `max` over the pool (`GEPAResult.best_idx`)

    @override
    def evaluation(self, facts: EvaluateFacts, program: ProgramSnapshot | None) -> EvaluateFacts:
        running = cast("_EvaluationWatch | _ResumedSeedWatch | None", get_value(_EVALUATION))
        return facts if running is None else running.evaluate(facts, program)


def _events() -> GepaEvents | None:
    scope = compile_of(GEPAHook)
    return None if scope is None else scope.notes.get(_EVENTS)


def _watch_adapter(patches: Patches, telemetry: Telemetry) -> None:
    """Watch what gepa asks of DSPy: evaluations, feedback on them, and new texts."""
    from dspy.teleprompt.gepa.gepa_utils import DspyAdapter  # noqa: PLC0415 - as above

    def evaluation(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Watch | None:
        events = _events()
        if events is None:
            return None
        arguments = bind_arguments(wrapped, args, kwargs)
        if events.resuming:
            return _ResumedSeedWatch(telemetry, events)
        found = events.evaluates(arguments["batch"], arguments["candidate"])
        return None if found is None else _EvaluationWatch(telemetry, events.scope, *found)

    def reflection(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Watch | None:
        events = _events()
        proposal = None if events is None else events.reflects()
        if events is None or proposal is None:
            return None
        proposal.components = list(cast("list[str]", bind_arguments(wrapped, args, kwargs)["components_to_update"]))
        return _ReflectionWatch(telemetry, events.scope, "reflect", proposal)

    def proposing(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Watch | None:
        events = _events()
        if events is None:
            return None
        proposal = events.proposes(bind_arguments(wrapped, args, kwargs)["reflective_dataset"])
        return None if proposal is None else _ProposingWatch(telemetry, events.scope, "propose", proposal)

    patches.wrap(DspyAdapter, "evaluate", around(evaluation))
    patches.wrap(DspyAdapter, "make_reflective_dataset", around(reflection))
    patches.wrap(DspyAdapter, "propose_new_texts", around(proposing))


class _OptimisationWatch(Watch):
    """Around `gepa.optimize`: tells what it was called with, and ends what an exception left open."""

    part = "GEPA's record"

    def __init__(self, scope: CompileScope, events: GepaEvents, arguments: Kwargs) -> None:
        self._scope = scope
        self._events = events
        self._arguments = arguments

    @override
    def open(self) -> None:
        self._scope.notes[_EVENTS] = self._events
        given = self._arguments
        resolved = {name: _named(given[name]) for name in _EFFECTIVE if name in given}
        # gepa's default stands as None in the call.
        resolved["val_evaluation_policy"] = resolved.get("val_evaluation_policy") or "full_eval"
        resolved |= {"components": sorted(given["seed_candidate"]), "valset": given.get("valset")}
        self._scope.notes["resolve"](resolved)
        run_dir = given.get("run_dir")
        if run_dir is not None and Path(run_dir, _CHECKPOINT).exists():
            self._events.resumed_from(str(run_dir))

    @override
    def close(self, error: BaseException | None) -> None:
        self._events.finish(error)


def _named(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float | str) else type(value).__name__


class _StepWatch(PhaseWatch):
    """A phase of one proposal's trial, wherever gepa runs it: several proposals of an iteration take turns."""

    def __init__(self, telemetry: Telemetry, scope: CompileScope, name: str, proposal: Proposal) -> None:
        own = current_place().trial is proposal.trial
        super().__init__(telemetry, scope, name, None, context=None if own else proposal.trial.context)
        self._proposal = proposal


class _EvaluationWatch(_StepWatch):
    """Around one evaluation of one candidate, which fires no Evaluate where its code (`dspy.Flex`) can't be parsed."""

    def __init__(self, telemetry: Telemetry, scope: CompileScope, proposal: Proposal, role: str) -> None:
        super().__init__(telemetry, scope, _PHASES[role], proposal)
        self._role = role
        self._begun = False

    @override
    def open(self) -> Context:
        return set_value(_EVALUATION, self, super().open())

    def evaluate(self, facts: EvaluateFacts, program: ProgramSnapshot | None) -> EvaluateFacts:
        """What gepa's own Evaluate is for. One that a program or metric calls by itself comes after it."""
        if self._begun:
            return facts
        self._begun = True
        self._proposal.saw(self._role, program)
        scope = Scope.FULL if self._role == "validation" else Scope.MINIBATCH
        return replace(facts, scope=scope, role=self._role)

    @override
    def see(self, result: Any) -> None:
        if self._role == "validation":
            self._proposal.validated(getattr(result, "objective_scores", None))


class _ResumedSeedWatch(PhaseWatch):
    """Around the evaluation of the given program before gepa loads a checkpoint; gepa goes on without its result."""

    def __init__(self, telemetry: Telemetry, events: GepaEvents) -> None:
        super().__init__(telemetry, events.scope, _RESUME, None)
        self._events = events

    @override
    def open(self) -> Context:
        return set_value(_EVALUATION, self, super().open())

    def evaluate(self, facts: EvaluateFacts, _program: ProgramSnapshot | None) -> EvaluateFacts:
        """It is no trial's: a phase's, with a table of its own."""
        return replace(facts, scope=Scope.FULL, phase=_RESUME)

    @override
    def see(self, result: Any) -> None:
        self._events.seed_evaluated(list(result.scores))


class _ReflectionWatch(_StepWatch):
    """Around the making of the reflective dataset: the metric is asked for feedback on each trajectory."""

    role = JUDGE

    @override
    def see(self, result: Any) -> None:
        self._proposal.reflective_dataset = result

    @override
    def close(self, error: BaseException | None) -> None:
        # gepa goes on without this proposal.
        self._proposal.error = error
        super().close(error)


class _ProposingWatch(_StepWatch):
    """Around the reflection model's calls. gepa repeats all of them, one by one, when one of several has failed."""

    role = REFLECTION

    @override
    def open(self) -> Context:
        self._proposal.texts = {}
        return super().open()

    @override
    def see(self, result: Any) -> None:
        self._proposal.texts = dict(result)

    @override
    def close(self, error: BaseException | None) -> None:
        self._proposal.error = error
        super().close(error)
