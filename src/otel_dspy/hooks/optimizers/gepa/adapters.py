"""Instrumentation of gepa's adapters: evaluations, feedback on them, and proposals of new texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.hooks.optimizers.gepa.adapter_evaluations import BatchHook
from otel_dspy.hooks.optimizers.gepa.phases import (
    EvaluationHook,
    ProposingHook,
    ReflectionHook,
    ResumedSeedHook,
    events_here,
    inside_step,
)
from otel_dspy.hooks.optimizers.phase import PhaseHook
from otel_dspy.hooks.patching.call_hook import wrap_call

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.hooks.optimizers.gepa.callback import GepaEvents
    from otel_dspy.hooks.patching.call_hook import Args, CallHook, CallHookFactory, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry

_PROPOSE: Final = "propose_new_texts"


def instrument_adapter(patches: Patches, telemetry: Telemetry, cls: type[Any]) -> None:
    """Wrap the methods of an adapter's class, or of the base class that defines them, once.

    Args:
        patches: where the wrapper is registered, so that it can be removed.
        telemetry: the emitter of spans, events and metrics.
        cls: the class of the adapter that a run of gepa uses.
    """
    hooks = _AdapterHooks(telemetry)
    wanted: dict[str, CallHookFactory] = {
        "evaluate": hooks.evaluation,
        "batch_evaluate": hooks.evaluations,
        "make_reflective_dataset": hooks.reflection,
        _PROPOSE: hooks.proposal,
    }
    for name, hook_factory in wanted.items():
        owner = next((base for base in cls.__mro__ if name in vars(base)), None)
        if owner is not None and callable(vars(owner)[name]) and not patches.wraps(owner, name):
            patches.wrap(owner, name, wrap_call(hook_factory))


class _AdapterHooks:
    """Creates the hooks for the calls of an adapter."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def evaluation(self, _wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
        events = _events()
        if events is None:
            return None
        batch, candidate = _argument(args, kwargs, 0, "batch"), _argument(args, kwargs, 1, "candidate")
        if not events.trials.runs_programs:
            return BatchHook(self._telemetry, events, [(batch, candidate)])
        if events.resume.pending:
            return ResumedSeedHook(self._telemetry, events)
        found = events.trials.evaluates(batch, candidate)
        return None if found is None else EvaluationHook(self._telemetry, events.scope, *found)

    def evaluations(self, _wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
        events, items = _events(), _argument(args, kwargs, 0, "items")
        if events is None or events.trials.runs_programs or not isinstance(items, list):
            return None
        pairs = [(batch, candidate) for candidate, batch in cast("list[Any]", items)]
        return BatchHook(self._telemetry, events, pairs)

    def reflection(self, _wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
        events = _events()
        proposal = None if events is None else events.trials.reflects()
        if events is None or proposal is None:
            return None
        proposal.components = list(_argument(args, kwargs, 2, "components_to_update"))
        return ReflectionHook(self._telemetry, events.scope, "reflect", proposal)

    def proposal(self, _wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
        return _proposing(self._telemetry, [_argument(args, kwargs, 1, "reflective_dataset")])


def instrument_proposer(patches: Patches, telemetry: Telemetry, proposer: type[Any]) -> None:
    """Wrap the methods of gepa's proposer that generate new texts; not recorded if the adapter generates them.

    Args:
        patches: where the wrapper is registered, so that it can be removed.
        telemetry: the emitter of spans, events and metrics.
        proposer: gepa's class `ReflectiveMutationProposer`.
    """

    def one(_wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
        if _proposes(instance.adapter):
            return None
        return _proposing(telemetry, [_argument(args, kwargs, 1, "reflective_dataset")])

    def several(_wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
        if _proposes(instance.adapter):
            return None
        return _proposing(telemetry, [job[1] for job in _argument(args, kwargs, 0, "jobs")])

    patches.wrap(proposer, _PROPOSE, wrap_call(one))
    if "_propose_texts_batch" in vars(proposer):  # gepa 0.1.4
        patches.wrap(proposer, "_propose_texts_batch", wrap_call(several))


def instrument_merges(patches: Patches, telemetry: Telemetry, proposer: type[Any]) -> None:
    """Wrap the method of gepa's proposer that merges two candidates.

    Args:
        patches: where the wrapper is registered, so that it can be removed.
        telemetry: the emitter of spans, events and metrics.
        proposer: gepa's class `MergeProposer`.
    """

    def merging(_wrapped: Callable[..., Any], _instance: Any, _args: Args, _kwargs: Kwargs) -> CallHook | None:
        events = events_here()
        return None if events is None else PhaseHook(telemetry, events.scope, "merge", None)

    patches.wrap(proposer, "propose", wrap_call(merging))


def _proposes(adapter: Any) -> bool:
    return callable(getattr(cast("type[Any]", type(adapter)), _PROPOSE, None))


def _proposing(telemetry: Telemetry, reflective_datasets: list[Any]) -> CallHook | None:
    events = _events()
    if events is None:
        return None
    found = [events.trials.proposes(dataset) for dataset in reflective_datasets]
    proposals = [proposal for proposal in found if proposal is not None]
    return ProposingHook(telemetry, events.scope, "propose", proposals) if proposals else None


def _events() -> GepaEvents | None:
    events = events_here()
    return None if events is None or inside_step(events.scope) else events


def _argument(args: Args, kwargs: Kwargs, position: int, name: str) -> Any:
    """Return an argument by position or name. User adapters may use other names; gepa passes arguments by position."""
    return args[position] if position < len(args) else kwargs[name]
