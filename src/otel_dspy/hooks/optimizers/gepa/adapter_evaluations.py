"""Hook for evaluations by gepa adapters that run no DSPy program: an `evaluate` span for each candidate and batch.

The adapter returns the outputs and scores of the whole batch, so the examples are recorded after it returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from typing_extensions import override

from otel_dspy.hooks.metric.metric_values import as_score, label_of, objectives_of
from otel_dspy.hooks.optimizers.gepa.phases import PHASES, RESUME, StepHook, within_step
from otel_dspy.hooks.optimizers.phase import PhaseHook
from otel_dspy.hooks.patching.call_hook import CallHook
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.telemetry.call_context import call_context_in, with_call_context
from otel_dspy.telemetry.spans.evaluate import EvaluateInfo, EvaluateOutcome, close_evaluate, open_evaluate
from otel_dspy.telemetry.spans.example import open_example
from otel_dspy.telemetry.spans.example_result import ExampleOutcome, close_example
from otel_dspy.telemetry.spans.trial_info import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context

    from otel_dspy.hooks.optimizers.gepa.callback import GepaEvents
    from otel_dspy.hooks.optimizers.gepa.proposal import Proposal
    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import EvaluateScope


@dataclass(slots=True)
class _Evaluation:
    """Evaluation of one candidate on one batch.

    `role` and `proposal` are None for the seed before a checkpoint is loaded.
    """

    batch: Sequence[Any]
    scope: EvaluateScope
    phase: PhaseHook
    program: ProgramSnapshot | None
    role: str | None = None
    proposal: Proposal | None = None


class BatchHook(CallHook):
    """Records one call of an adapter's `evaluate` or `batch_evaluate`.

    Args:
        telemetry: provides the tracer and the content settings.
        events: the record of the run.
        items: pairs of batch and candidate.
    """

    part = "the span of an evaluation by gepa"

    def __init__(self, telemetry: Telemetry, events: GepaEvents, items: Sequence[tuple[Any, Any]]) -> None:
        self._telemetry = telemetry
        self._events = events
        self._items = items
        self._evaluations: list[_Evaluation | None] = []
        self._results: list[Any] = []

    @override
    def open(self) -> Context:
        self._evaluations = [self._begin(batch, candidate) for batch, candidate in self._items]
        first = self._evaluations[0] if len(self._evaluations) == 1 else None
        scope = self._events.scope
        # Calls for several candidates at once are not attributed to one of them.
        context = scope.context if first is None else first.scope.context
        return within_step(scope, with_call_context(call_context_in(context)._replace(evaluation=None), context))

    def _begin(self, batch: Any, candidate: Any) -> _Evaluation | None:
        telemetry, events = self._telemetry, self._events
        program = events.trials.snapshot(candidate)
        if events.resume.pending:
            phase = PhaseHook(telemetry, events.scope, RESUME, None)
            info = self._info(batch, Scope.FULL, phase=RESUME)
            return _Evaluation(batch, open_evaluate(telemetry, info, phase.open()), phase, program)
        found = events.trials.evaluates(batch, candidate)
        if found is None:
            return None
        proposal, role = found
        proposal.record_program(role, program)
        step = StepHook(telemetry, events.scope, PHASES[role], proposal)
        info = self._info(batch, Scope.FULL if role == "validation" else Scope.MINIBATCH, role=role)
        return _Evaluation(batch, open_evaluate(telemetry, info, step.open()), step, program, role, proposal)

    def _info(
        self, batch: Sequence[Any], scope: Scope, *, role: str | None = None, phase: str | None = None
    ) -> EvaluateInfo:
        compiling = self._events.scope
        return EvaluateInfo(
            metric_name=compiling.metric_name, program_name=compiling.program_name, devset=batch, scope=scope,
            phase=phase, role=role,
        )  # fmt: skip

    @override
    def record_result(self, result: Any) -> None:
        self._results = cast("list[Any]", result) if isinstance(result, list) else [result]

    @override
    def close(self, error: BaseException | None) -> None:
        results = self._results or [None] * len(self._evaluations)
        for evaluation, result in zip(self._evaluations, results, strict=False):
            if evaluation is not None:
                with guarded(self.part):
                    self._end(evaluation, result, error)

    def _end(self, evaluation: _Evaluation, result: Any, error: BaseException | None) -> None:
        if result is not None:
            with guarded("the examples of an evaluation by gepa"):
                self._take(evaluation, result)
        outcome = EvaluateOutcome(program=evaluation.program, error=error)
        close_evaluate(self._telemetry, evaluation.scope, outcome)
        evaluation.phase.close(error)

    def _take(self, evaluation: _Evaluation, result: Any) -> None:
        if evaluation.proposal is None:
            self._events.resume.seed_evaluated(list(result.scores))
        elif evaluation.role == "validation":
            evaluation.proposal.validated(result.objective_scores)
        # An adapter that leaves out examples that failed has fewer results than examples: whose they are is unknown.
        whole = len(result.scores) == len(evaluation.batch)
        for index, example in enumerate(evaluation.batch):
            scope = open_example(self._telemetry, evaluation.scope, index, example)
            close_example(self._telemetry, scope, _outcome(result, index) if whole else ExampleOutcome())


def _outcome(result: Any, index: int) -> ExampleOutcome:
    score = result.scores[index]
    objectives = _item(getattr(result, "objective_scores", None), index)
    return ExampleOutcome(
        prediction=_item(result.outputs, index),
        score=as_score(score),
        label=label_of(score),
        feedback=_feedback(_item(getattr(result, "trajectories", None), index)),
        objectives=objectives_of({"objective_scores": objectives}),
    )


def _item(values: Sequence[Any] | None, index: int) -> Any:
    return values[index] if values is not None and index < len(values) else None


def _feedback(trajectory: Any) -> str | None:
    """Return the feedback text of gepa's own adapters."""
    if not isinstance(trajectory, dict):
        return None
    found = cast("Mapping[str, object]", trajectory).get("feedback")
    return found if isinstance(found, str) else None
