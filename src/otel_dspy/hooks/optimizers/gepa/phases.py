"""Hooks for the phases of a run of gepa: evaluations, the reflective dataset, and calls of the reflection model.

They instrument the methods of `GEPAAdapter`. Source: `gepa/core/adapter.py` of gepa 0.1.4.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.context import create_key, get_value, set_value
from typing_extensions import override

from otel_dspy.hooks.optimizers.phase import PhaseHook
from otel_dspy.telemetry.call_context import current_call_context
from otel_dspy.telemetry.optimizer_hook_state import StateKey
from otel_dspy.telemetry.spans.trial_info import Scope
from otel_dspy.telemetry.tallies.lm_roles import JUDGE, REFLECTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context

    from otel_dspy.hooks.optimizers.gepa.callback import GepaEvents
    from otel_dspy.hooks.optimizers.gepa.proposal import Proposal
    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope
    from otel_dspy.telemetry.spans.evaluate import EvaluateInfo

EVENTS: Final[StateKey[GepaEvents]] = StateKey("gepa")
"""Key of the run's `GepaEvents` in the state of its compile."""
RESUME: Final = "resume"
PHASES: Final = {"parent": "evaluate_parent", "candidate": "evaluate_candidate", "validation": "validate"}
"""Role of an evaluation -> name of its phase."""
_EVALUATION: Final = create_key("otel_dspy.gepa.evaluation")
"""Context key of the hook of the running evaluation."""
_STEP: Final = create_key("otel_dspy.gepa.step")
"""Context key of the compile whose adapter runs, so that a call of the adapter's base class is not another step."""


def events_here() -> GepaEvents | None:
    """Return the events of the innermost compile; None if it is not a run of gepa."""
    scope = current_call_context().compile
    return None if scope is None else scope.state.get(EVENTS)


def inside_step(scope: CompileScope) -> bool:
    """Return whether the caller is inside a step of this run."""
    return get_value(_STEP) is scope


def within_step(scope: CompileScope, context: Context) -> Context:
    """Return the context, marked as inside a step of this run."""
    return set_value(_STEP, scope, context)


def evaluation_info(info: EvaluateInfo, program: ProgramSnapshot | None) -> EvaluateInfo:
    """Return the data of an Evaluate call inside a run of gepa, with scope and role if the adapter made it."""
    running: EvaluationHook | ResumedSeedHook | None = get_value(_EVALUATION)  # pyright: ignore[reportAssignmentType] - ours
    return info if running is None else running.evaluate(info, program)


class StepHook(PhaseHook):
    """Phase of a proposal's trial. gepa may interleave the proposals of an iteration.

    Args:
        telemetry: the emitter of spans, events and metrics.
        scope: the compile.
        name: the phase's name, such as `propose`.
        proposal: the proposal whose trial encloses the phase.
    """

    def __init__(self, telemetry: Telemetry, scope: CompileScope, name: str, proposal: Proposal) -> None:
        own = current_call_context().trial is proposal.trial
        super().__init__(telemetry, scope, name, None, context=None if own else proposal.trial.context)
        self._proposal = proposal

    @override
    def open(self) -> Context:
        return within_step(self._scope, super().open())


class EvaluationHook(StepHook):
    """Records one evaluation of one candidate. Code (`dspy.Flex`) that can't be parsed causes no Evaluate call.

    Args:
        telemetry: the emitter of spans, events and metrics.
        scope: the compile.
        proposal: the proposal that is evaluated.
        role: what is evaluated; a key of `PHASES`.
    """

    def __init__(self, telemetry: Telemetry, scope: CompileScope, proposal: Proposal, role: str) -> None:
        super().__init__(telemetry, scope, PHASES[role], proposal)
        self._role = role
        self._begun = False

    @override
    def open(self) -> Context:
        return set_value(_EVALUATION, self, super().open())

    def evaluate(self, info: EvaluateInfo, program: ProgramSnapshot | None) -> EvaluateInfo:
        """Set scope and role of gepa's own Evaluate call, the first one. Later ones are made by a program or metric."""
        if self._begun:
            return info
        self._begun = True
        self._proposal.record_program(self._role, program)
        scope = Scope.FULL if self._role == "validation" else Scope.MINIBATCH
        return replace(info, scope=scope, role=self._role)

    @override
    def record_result(self, result: Any) -> None:
        if self._role == "validation":
            self._proposal.validated(getattr(result, "objective_scores", None))


class ResumedSeedHook(PhaseHook):
    """Records the evaluation of the given program before gepa loads a checkpoint; gepa discards its result."""

    def __init__(self, telemetry: Telemetry, events: GepaEvents) -> None:
        super().__init__(telemetry, events.scope, RESUME, None)
        self._events = events

    @override
    def open(self) -> Context:
        return set_value(_EVALUATION, self, within_step(self._scope, super().open()))

    def evaluate(self, info: EvaluateInfo, _program: ProgramSnapshot | None) -> EvaluateInfo:
        """Attribute the evaluation to the phase; it belongs to no trial."""
        return replace(info, scope=Scope.FULL, phase=RESUME)

    @override
    def record_result(self, result: Any) -> None:
        self._events.resume.seed_evaluated(list(result.scores))


class ReflectionHook(StepHook):
    """Records the creation of the reflective dataset, which calls the metric for feedback on each trajectory."""

    role = JUDGE

    @override
    def record_result(self, result: Any) -> None:
        self._proposal.reflective_dataset = result

    @override
    def close(self, error: BaseException | None) -> None:
        # gepa continues without this proposal.
        self._proposal.error = error
        super().close(error)


class ProposingHook(StepHook):
    """Records the calls of the reflection model. If one of several fails, gepa repeats all of them sequentially.

    Args:
        telemetry: the emitter of spans, events and metrics.
        scope: the compile.
        name: the phase's name.
        proposals: those that the calls are made for; the phase is in the trial of the first.
    """

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
    def record_result(self, result: Any) -> None:
        """Record the new texts.

        `result` holds the texts by component, alone or first in a tuple; for several proposals a list of those.
        """
        found = cast("list[Any]", result) if isinstance(result, list) else [result]
        for proposal, texts in zip(self._proposals, found, strict=False):
            proposal.texts = dict(cast("tuple[Any, ...]", texts)[0] if isinstance(texts, tuple) else texts)

    @override
    def close(self, error: BaseException | None) -> None:
        for proposal in self._proposals:
            proposal.error = error
        super().close(error)
