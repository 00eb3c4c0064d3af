"""Phases of a run of gepa: evaluations, the reflective dataset, and the reflection model's calls.

Source: `GEPAAdapter` of `gepa/core/adapter.py` of gepa 0.1.4, whose methods these watches surround.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.context import create_key, get_value, set_value
from typing_extensions import override

from otel_dspy.hooks.optimizers.phase import PhaseHook
from otel_dspy.telemetry.call_context import current_call_context
from otel_dspy.telemetry.spans.trial import Scope
from otel_dspy.telemetry.usage import JUDGE, REFLECTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context

    from otel_dspy.hooks.optimizers.gepa.events import GepaEvents, Proposal
    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.call_context import CompileScope
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.spans.evaluate import EvaluateFacts

EVENTS: Final = "gepa"
"""Key of the run's `GepaEvents` in the notes of its compile."""
RESUME: Final = "resume"
PHASES: Final = {"parent": "evaluate_parent", "candidate": "evaluate_candidate", "validation": "validate"}
"""Role of an evaluation -> name of its phase."""
_EVALUATION: Final = create_key("otel_dspy.gepa.evaluation")
"""Context key of the evaluation's watch."""
_STEP: Final = create_key("otel_dspy.gepa.step")
"""Context key of the compile whose adapter runs: an adapter that calls its base class is one step, not two."""


def events_here() -> GepaEvents | None:
    """The events of the innermost compile around the caller; None if that is no run of gepa."""
    scope = current_call_context().compile
    return None if scope is None else scope.notes.get(EVENTS)


def inside_step(scope: CompileScope) -> bool:
    """Whether the caller is inside a step of this run already."""
    return get_value(_STEP) is scope


def within_step(scope: CompileScope, context: Context) -> Context:
    """The context given, inside a step of this run."""
    return set_value(_STEP, scope, context)


def evaluation_facts(facts: EvaluateFacts, program: ProgramSnapshot | None) -> EvaluateFacts:
    """Facts of an Evaluate call inside a run of gepa, with its scope and role if the adapter made it."""
    running: EvaluationHook | ResumedSeedHook | None = get_value(_EVALUATION)  # pyright: ignore[reportAssignmentType] - ours
    return facts if running is None else running.evaluate(facts, program)


class StepHook(PhaseHook):
    """A phase of one proposal's trial, wherever gepa runs it: several proposals of an iteration take turns."""

    def __init__(self, telemetry: Telemetry, scope: CompileScope, name: str, proposal: Proposal) -> None:
        own = current_call_context().trial is proposal.trial
        super().__init__(telemetry, scope, name, None, context=None if own else proposal.trial.context)
        self._proposal = proposal

    @override
    def open(self) -> Context:
        return within_step(self._scope, super().open())


class EvaluationHook(StepHook):
    """Around one evaluation of one candidate, which fires no Evaluate where its code (`dspy.Flex`) can't be parsed."""

    def __init__(self, telemetry: Telemetry, scope: CompileScope, proposal: Proposal, role: str) -> None:
        super().__init__(telemetry, scope, PHASES[role], proposal)
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


class ResumedSeedHook(PhaseHook):
    """Around the evaluation of the given program before gepa loads a checkpoint; gepa goes on without its result."""

    def __init__(self, telemetry: Telemetry, events: GepaEvents) -> None:
        super().__init__(telemetry, events.scope, RESUME, None)
        self._events = events

    @override
    def open(self) -> Context:
        return set_value(_EVALUATION, self, within_step(self._scope, super().open()))

    def evaluate(self, facts: EvaluateFacts, _program: ProgramSnapshot | None) -> EvaluateFacts:
        """It is no trial's: a phase's, with a table of its own."""
        return replace(facts, scope=Scope.FULL, phase=RESUME)

    @override
    def see(self, result: Any) -> None:
        self._events.seed_evaluated(list(result.scores))


class ReflectionHook(StepHook):
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


class ProposingHook(StepHook):
    """Around the reflection model's calls. gepa repeats all of them, one by one, when one of several has failed."""

    role = REFLECTION

    def __init__(self, telemetry: Telemetry, scope: CompileScope, name: str, proposals: Sequence[Proposal]) -> None:
        super().__init__(telemetry, scope, name, proposals[0])
        self._proposals = proposals

    @override
    def open(self) -> Context:
        for proposal in self._proposals:
            proposal.texts = {}
        return super().open()

    @override
    def see(self, result: Any) -> None:
        """`result`: the texts by component, alone or first in a tuple; a list of those for several proposals."""
        found = cast("list[Any]", result) if isinstance(result, list) else [result]
        for proposal, texts in zip(self._proposals, found, strict=False):
            proposal.texts = dict(cast("tuple[Any, ...]", texts)[0] if isinstance(texts, tuple) else texts)

    @override
    def close(self, error: BaseException | None) -> None:
        for proposal in self._proposals:
            proposal.error = error
        super().close(error)
