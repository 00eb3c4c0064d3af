"""Callback for gepa that collects the events of a run and records its proposals as trials.

Source: `gepa/core/engine.py` and `gepa/proposer/` of gepa 0.1.4. The events of an iteration's proposals arrive in the
order of the proposals, without an id; they are matched by the identity of their objects (a minibatch, a candidate). All
scores are gepa's own, raw means (ratio): Evaluate's score of a `dspy.Flex` program is wrong, and a candidate whose code
can't be parsed causes no Evaluate call.
"""

from __future__ import annotations

import functools
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, cast

from opentelemetry.context import attach, detach

from otel_dspy import semconv
from otel_dspy.hooks.optimizers.gepa.checkpoint import best_of, differences, restored
from otel_dspy.hooks.optimizers.gepa.proposal import (
    Acceptance,
    Proposal,
    outcome,
    pareto_front,
    seed_front,
    trial_facts,
)
from otel_dspy.runtime.guard import guarded
from otel_dspy.serialization.programs import snapshot_if_program, snapshot_of_texts
from otel_dspy.telemetry.spans.trial import TrialFacts, TrialKind, TrialOutcome, close_trial, open_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextvars import Token

    from opentelemetry.context import Context

    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.call_context import CompileScope
    from otel_dspy.telemetry.emitter import Telemetry

_Parameters = ParamSpec("_Parameters")
_logger = logging.getLogger(__name__)
_CHECKPOINT: Final = "gepa_state.bin"
"""The file that gepa resumes from (`initialize_gepa_state`)."""
_OTHER_CHECKPOINT: Final = (
    "GEPA resumed from %s, which was written with other inputs (%s). It continues with the stored candidates and "
    "scores, not with the given program; to start with the given program, use another folder."
)


def _guarded_callback(
    method: Callable[Concatenate[GepaEvents, _Parameters], None],
) -> Callable[Concatenate[GepaEvents, _Parameters], None]:
    # gepa would log an exception of a callback under its own logger.
    @functools.wraps(method)
    def callback(self: GepaEvents, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> None:
        with guarded("GEPA's record"):
            method(self, *args, **kwargs)

    return callback


class GepaEvents:
    """Callback that records one run of gepa, which calls it on the thread that optimizes.

    Args:
        telemetry: the emitter of spans, events and metrics.
        scope: the compile.
        adapter: the adapter that gepa calls.

    Attributes:
        scope: the compile.
        runs_programs: whether the adapter builds DSPy programs from candidates and evaluates them with `dspy.Evaluate`.
    """

    def __init__(self, telemetry: Telemetry, scope: CompileScope, adapter: Any) -> None:
        self.scope = scope
        self.runs_programs = callable(getattr(adapter, "build_program", None))
        self._telemetry = telemetry
        self._adapter = adapter
        self._open: list[Proposal] = []
        self._seeded = False
        """Whether the seed's trial was opened."""
        self._pool: dict[int, ProgramSnapshot | None] = {}
        self._best = 0
        self._state: Any = None
        self._limit: int | None = None
        self._checkpoint: str | None = None
        self._fresh_scores: Sequence[float] | None = None
        self._given: tuple[Mapping[str, str], int] | None = None
        """The seed's texts and the number of validation examples."""
        self._rejections: list[str] = []
        self._token: Token[Context] | None = None
        # The exception that was being handled at the start: see `on_iteration_end`.
        self._outer = sys.exc_info()[1]

    # Proposals for the calls of gepa's adapter. None: the proposal is unknown and the call is not recorded.

    def evaluates(self, batch: Any, candidate: Any) -> tuple[Proposal, str] | None:
        """Return the proposal that an evaluation belongs to, and its `dspy.evaluate.role`."""
        if not self._open and not self._seeded:
            self._open_seed()  # gepa before 0.1.1 evaluates it before it calls `on_optimization_start`
        first = next(iter(self._open), None)
        if first is None:
            return None
        for proposal in self._open:
            if proposal.candidate is not None and proposal.candidate is candidate:
                return proposal, "candidate" if batch is proposal.minibatch else "validation"
        proposal = next((one for one in self._open if one.minibatch is batch), first)
        if proposal.kind is TrialKind.BASELINE:
            return proposal, "validation"
        if proposal.parent is candidate:
            return proposal, "parent"
        proposal.candidate = candidate
        return proposal, "candidate"

    @property
    def resuming(self) -> bool:
        """Whether gepa resumes from a checkpoint that it has not loaded yet."""
        return self._checkpoint is not None and self._state is None

    def seed_evaluated(self, scores: Sequence[float] | None) -> None:
        """Store the seed's scores from before the checkpoint is loaded, which gepa itself discards."""
        self._fresh_scores = scores

    def reflects(self) -> Proposal | None:
        """Return the proposal whose reflective dataset is created: the next one in order."""
        proposal = self._unprepared()
        if proposal is not None:
            proposal.prepared = True
        return proposal

    def proposes(self, reflective_dataset: Any) -> Proposal | None:
        """Return the proposal of a reflective dataset, for which new texts are generated."""
        return next((one for one in self._open if one.reflective_dataset is reflective_dataset), None)

    def _unprepared(self) -> Proposal | None:
        return next((one for one in self._open if one.before and not one.prepared), None)

    def runs_in(self, folder: str | None) -> None:
        """Set gepa's `run_dir`; gepa resumes from the checkpoint in it, if there is one."""
        if folder is not None and Path(folder, _CHECKPOINT).exists():
            self._checkpoint = str(folder)

    def finish(self, error: BaseException | None) -> None:
        """End the open trials, with the exception of the run if it raised."""
        self._leave()
        self._close_all(error)

    # The callbacks, in the order in which gepa calls them.

    @_guarded_callback
    def on_optimization_start(self, event: Mapping[str, Any]) -> None:
        """Open the seed's trial, before it is scored on the validation set.

        Not if gepa resumes: it scores the given seed before it loads a checkpoint, whose own seed is trial 0.
        """
        del event
        if not self.resuming and not self._seeded:
            self._open_seed()

    def _open_seed(self) -> None:
        self._seeded = True
        trial = open_trial(self._telemetry, self.scope, self.scope.context)
        self._open = [Proposal(trial=trial, kind=TrialKind.BASELINE, label="seed", iteration=0)]

    @_guarded_callback
    def on_valset_evaluated(self, event: Mapping[str, Any]) -> None:
        """Record a candidate that has entered the pool; the seed's event has iteration 0."""
        candidate = event["candidate"]
        if self.resuming:
            self._given = candidate, event["total_valset_size"]
            return
        proposal = next((one for one in self._open if one.candidate is candidate), self._open[0])
        index, scores = event["candidate_idx"], event["scores_by_val_id"]
        seed = proposal.kind is TrialKind.BASELINE
        if event["is_best_program"]:
            self._best = index
        state = self._state
        proposal.accepted = Acceptance(
            index=index,
            score=event["average_score"],
            scores=scores,
            size=event["total_valset_size"],
            best=self._best,
            front=seed_front(scores, proposal.objectives) if seed else pareto_front(state),
            objectives=proposal.objectives if seed else dict(state.prog_candidate_objective_scores[index] or {}),
            pool=index + 1,
            metric_calls=state.total_num_evals if state is not None else len(scores),
        )
        if proposal.program is None:  # gepa's evaluation cache had all the scores
            proposal.program = self.snapshot(candidate)
        self._pool[index] = proposal.program
        if seed:
            self._close_all(None)

    @_guarded_callback
    def on_iteration_start(self, event: Mapping[str, Any]) -> None:
        """Open the iteration's first trial: a proposal, a merge, or an iteration without a candidate."""
        first, self._state = self._state is None, event["state"]
        if first:
            self._restore(event["iteration"] - 1)
        self._close_all(None)  # none is open, unless an earlier event could not be handled
        self._rejections = []
        self._add(event["iteration"])
        # The iteration's own LM calls, such as those of a user's component selector, belong to its first trial.
        self._token = attach(self._open[0].trial.context)

    def _add(self, iteration: int) -> Proposal:
        number = len(self._open)
        label = f"iteration {iteration}" + (f", proposal {number + 1}" if number else "")
        trial = open_trial(self._telemetry, self.scope, self.scope.context)
        proposal = Proposal(trial=trial, kind=TrialKind.CANDIDATE, label=label, iteration=iteration)
        self._open.append(proposal)
        return proposal

    @_guarded_callback
    def on_candidate_selected(self, event: Mapping[str, Any]) -> None:
        """Record the parent of the first proposal, or open another proposal."""
        last = self._open[-1]
        proposal = last if not last.parents else self._add(event["iteration"])
        proposal.parents = [event["candidate_idx"]]
        proposal.parent = event["candidate"]
        proposal.parent_texts = {event["candidate_idx"]: dict(event["candidate"])}

    @_guarded_callback
    def on_minibatch_sampled(self, event: Mapping[str, Any]) -> None:
        """Record the training examples of the proposal whose parent was selected last."""
        self._open[-1].minibatch_ids = list(event["minibatch_ids"])

    @_guarded_callback
    def on_evaluation_start(self, event: Mapping[str, Any]) -> None:
        """Record the minibatch of a parent, or of a merged candidate if no parent was selected."""
        if event["candidate_idx"] is not None:
            proposal = next(one for one in self._open if one.minibatch is None)
            proposal.minibatch = event["inputs"]
            return
        first = self._open[0]
        if first.parents:
            return
        state, first.kind = self._state, TrialKind.MERGE
        first.parents = list(event["parent_ids"])
        first.parent_texts = {index: dict(state.program_candidates[index]) for index in first.parents}
        first.minibatch = event["inputs"]
        trace = state.full_program_trace[-1]
        first.minibatch_ids = list(trace["subsample_ids"])
        first.ancestor = trace["merged_entities"][2]
        known = state.prog_candidate_val_subscores
        first.before = [[known[index][key] for key in first.minibatch_ids] for index in first.parents]

    @_guarded_callback
    def on_evaluation_end(self, event: Mapping[str, Any]) -> None:
        """Record the minibatch scores of the next parent or the next child."""
        scores = list(event["scores"])
        if event["candidate_idx"] is not None:
            next(one for one in self._open if not one.before).before = [scores]
        else:
            merged_or_child = (one for one in self._open if one.kind is TrialKind.MERGE or one.texts)
            next(one for one in merged_or_child if one.after is None).after = scores

    @_guarded_callback
    def on_evaluation_skipped(self, event: Mapping[str, Any]) -> None:
        """Record why a parent is not reflected on: its scores are perfect, or it has no trajectories."""
        proposal = self.reflects()
        if proposal is not None:
            proposal.reason = event["reason"]

    @_guarded_callback
    def on_merge_attempted(self, event: Mapping[str, Any]) -> None:
        """Record the merged candidate, whose scores may come from the evaluation cache."""
        self._open[0].candidate = event["merged_candidate"]

    @_guarded_callback
    def on_merge_rejected(self, event: Mapping[str, Any]) -> None:
        """Record the rejection of a merge that is worse than both parents."""
        self._open[0].reason = event["reason"]

    @_guarded_callback
    def on_candidate_rejected(self, event: Mapping[str, Any]) -> None:
        """Record the reason of a rejected proposal; the events arrive in the order of the proposals."""
        self._rejections.append(event["reason"])

    @_guarded_callback
    def on_budget_updated(self, event: Mapping[str, Any]) -> None:
        """Record the limit of metric calls, if there is one."""
        left = event["metric_calls_remaining"]
        self._limit = None if left is None else event["metric_calls_used"] + left

    @_guarded_callback
    def on_error(self, event: Mapping[str, Any]) -> None:
        """Record the exception of an iteration after which gepa continues."""
        if event["will_continue"]:
            for proposal in self._open:
                proposal.error = proposal.error or event["exception"]

    @_guarded_callback
    def on_iteration_end(self, event: Mapping[str, Any]) -> None:
        """Close the iteration's trials, unless an exception propagates: gepa calls it in a `finally`; see `finish`."""
        del event
        self._leave()
        if sys.exc_info()[1] is self._outer:
            self._close_all(None)

    @_guarded_callback
    def on_optimization_end(self, event: Mapping[str, Any]) -> None:
        """Record the candidate tree, and the candidates of a checkpoint whose budget was already used up."""
        if self._state is None:
            self._state = event["final_state"]
            self._restore(self._state.i + 1)
        if self._telemetry.settings.capture_programs:
            from gepa import visualization  # noqa: PLC0415 - gepa is imported where it is used

            page: str = cast("Any", visualization).candidate_tree_html(event["final_state"])
            self._telemetry.put_content_payload(self.scope.span, semconv.DSPY_COMPILE_CANDIDATE_TREE, page)

    def _leave(self) -> None:
        token, self._token = self._token, None
        if token is not None:
            detach(token)

    def _restore(self, last: int) -> None:
        """Record the checkpoint's candidates, found up to iteration `last`: one of them may be this compile's best."""
        if self._checkpoint is None:
            return
        self.scope.span.set_attributes(
            {semconv.DSPY_COMPILE_RESUMED_FROM: self._checkpoint, semconv.DSPY_COMPILE_RESUMED_ITERATION: last}
        )
        for index in range(len(self._state.program_candidates)):
            proposal = restored(self._state, index, open_trial(self._telemetry, self.scope, self.scope.context))
            proposal.program = self._pool[index] = self.snapshot(proposal.candidate)
            self._close(proposal, None)
        self._best = best_of(self._state.program_full_scores_val_set)
        found = [] if self._given is None else differences(self._state, *self._given, self._fresh_scores)
        if found:
            self.scope.span.set_attribute(semconv.DSPY_COMPILE_RESUMED_DIFFERENCES, found)
            _logger.warning(_OTHER_CHECKPOINT, self._checkpoint, "; ".join(found))

    def snapshot(self, candidate: Any) -> ProgramSnapshot | None:
        """Return a snapshot of the candidate as a DSPy program, or of its texts if the adapter builds no program."""
        with guarded("the state of a GEPA candidate"):
            if self.runs_programs:
                return snapshot_if_program(self._adapter.build_program(candidate))
            return snapshot_of_texts(candidate)
        return None

    def _close_all(self, error: BaseException | None) -> None:
        proposals, self._open = self._open, []
        rejected = (one for one in proposals if one.after is not None and one.accepted is None and one.reason is None)
        for proposal, reason in zip(rejected, self._rejections, strict=False):
            proposal.reason = reason
        for proposal in proposals:
            with guarded("a GEPA trial"):
                self._close(proposal, error)

    def _close(self, proposal: Proposal, error: BaseException | None) -> None:
        used = self._state.total_num_evals if self._state is not None else None
        facts, ended = TrialFacts(kind=proposal.kind, label=proposal.label), TrialOutcome(error=error)
        with guarded("the facts of a GEPA trial"):
            parents = [self._pool.get(index) for index in proposal.parents]
            facts = trial_facts(proposal, parents, used, self._limit)
            ended = outcome(proposal, error)
        close_trial(self._telemetry, proposal.trial, facts, ended)
