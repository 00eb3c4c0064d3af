"""Callback for gepa that collects the events of a run and records its proposals as trials.

Source: `gepa/core/engine.py` and `gepa/proposer/` of gepa 0.1.4. All scores are gepa's own, raw means (ratio):
Evaluate's score of a `dspy.Flex` program is wrong, and a candidate whose code can't be parsed causes no Evaluate call.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from opentelemetry.context import attach, detach

from otel_dspy.hooks.optimizers.gepa.proposal import (
    Acceptance,
    pareto_front,
    seed_front,
)
from otel_dspy.hooks.optimizers.gepa.proposal_trials import ProposalTrials
from otel_dspy.hooks.optimizers.gepa.resume import Resume
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.telemetry.spans.trial_info import TrialKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Token

    from opentelemetry.context import Context

    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope

_Parameters = ParamSpec("_Parameters")


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
        trials: the trials of the proposals.
        resume: the checkpoint that the run resumes from, if there is one.
    """

    def __init__(self, telemetry: Telemetry, scope: CompileScope, adapter: Any) -> None:
        self.scope = scope
        self.trials = ProposalTrials(telemetry, scope, adapter)
        self.resume = Resume(telemetry, self.trials)
        self._best = 0
        """gepa's number of the best candidate."""
        self._rejections: list[str] = []
        self._token: Token[Context] | None = None
        # The exception that was being handled at the start: see `on_iteration_end`.
        self._outer = sys.exc_info()[1]

    def finish(self, error: BaseException | None) -> None:
        """End the open trials, with the exception of the run if it raised."""
        self._leave()
        self.trials.close_all(self._rejections, error)

    # The callbacks, in the order in which gepa calls them.

    @_guarded_callback
    def on_optimization_start(self, event: Mapping[str, Any]) -> None:
        """Open the seed's trial, before it is scored on the validation set.

        Not if gepa resumes: it scores the given seed before it loads a checkpoint, whose own seed is trial 0.
        """
        del event
        if not self.resume.pending and not self.trials.seeded:
            self.trials.open_seed()

    @_guarded_callback
    def on_valset_evaluated(self, event: Mapping[str, Any]) -> None:
        """Record a candidate that has entered the pool; the seed's event has iteration 0."""
        candidate = event["candidate"]
        if self.resume.pending:
            self.resume.seed_given(candidate, event["total_valset_size"])
            return
        proposal = next((one for one in self.trials.open if one.candidate is candidate), self.trials.open[0])
        index, scores = event["candidate_idx"], event["scores_by_val_id"]
        seed = proposal.kind is TrialKind.BASELINE
        if event["is_best_program"]:
            self._best = index
        state = self.trials.state
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
            proposal.program = self.trials.snapshot(candidate)
        self.trials.pool[index] = proposal.program
        if seed:
            self.trials.close_all(self._rejections, None)

    @_guarded_callback
    def on_iteration_start(self, event: Mapping[str, Any]) -> None:
        """Open the iteration's first trial: a proposal, a merge, or an iteration without a candidate."""
        first, self.trials.state = self.trials.state is None, event["state"]
        if first:
            self._restore(event["iteration"] - 1)
        self.trials.close_all(self._rejections, None)  # none is open, unless an earlier event could not be handled
        self._rejections = []
        self.trials.add(event["iteration"])
        # The iteration's own LM calls, such as those of a user's component selector, belong to its first trial.
        self._token = attach(self.trials.open[0].trial.context)

    @_guarded_callback
    def on_candidate_selected(self, event: Mapping[str, Any]) -> None:
        """Record the parent of the first proposal, or open another proposal."""
        last = self.trials.open[-1]
        proposal = last if not last.parents else self.trials.add(event["iteration"])
        proposal.parents = [event["candidate_idx"]]
        proposal.parent = event["candidate"]
        proposal.parent_texts = {event["candidate_idx"]: dict(event["candidate"])}

    @_guarded_callback
    def on_minibatch_sampled(self, event: Mapping[str, Any]) -> None:
        """Record the training examples of the proposal whose parent was selected last."""
        self.trials.open[-1].minibatch_ids = list(event["minibatch_ids"])

    @_guarded_callback
    def on_evaluation_start(self, event: Mapping[str, Any]) -> None:
        """Record the minibatch of a parent, or of a merged candidate if no parent was selected."""
        if event["candidate_idx"] is not None:
            proposal = next(one for one in self.trials.open if one.minibatch is None)
            proposal.minibatch = event["inputs"]
            return
        first = self.trials.open[0]
        if first.parents:
            return
        state, first.kind = self.trials.state, TrialKind.MERGE
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
            next(one for one in self.trials.open if not one.before).before = [scores]
        else:
            merged_or_child = (one for one in self.trials.open if one.kind is TrialKind.MERGE or one.texts)
            next(one for one in merged_or_child if one.after is None).after = scores

    @_guarded_callback
    def on_evaluation_skipped(self, event: Mapping[str, Any]) -> None:
        """Record why a parent is not reflected on: its scores are perfect, or it has no trajectories."""
        proposal = self.trials.reflects()
        if proposal is not None:
            proposal.reason = event["reason"]

    @_guarded_callback
    def on_merge_attempted(self, event: Mapping[str, Any]) -> None:
        """Record the merged candidate, whose scores may come from the evaluation cache."""
        self.trials.open[0].candidate = event["merged_candidate"]

    @_guarded_callback
    def on_merge_rejected(self, event: Mapping[str, Any]) -> None:
        """Record the rejection of a merge that is worse than both parents."""
        self.trials.open[0].reason = event["reason"]

    @_guarded_callback
    def on_candidate_rejected(self, event: Mapping[str, Any]) -> None:
        """Record the reason of a rejected proposal; the events arrive in the order of the proposals."""
        self._rejections.append(event["reason"])

    @_guarded_callback
    def on_budget_updated(self, event: Mapping[str, Any]) -> None:
        """Record the limit of metric calls, if there is one."""
        left = event["metric_calls_remaining"]
        self.trials.limit = None if left is None else event["metric_calls_used"] + left

    @_guarded_callback
    def on_error(self, event: Mapping[str, Any]) -> None:
        """Record the exception of an iteration after which gepa continues."""
        if event["will_continue"]:
            for proposal in self.trials.open:
                proposal.error = proposal.error or event["exception"]

    @_guarded_callback
    def on_iteration_end(self, event: Mapping[str, Any]) -> None:
        """Close the iteration's trials, unless an exception propagates: gepa calls it in a `finally`; see `finish`."""
        del event
        self._leave()
        if sys.exc_info()[1] is self._outer:
            self.trials.close_all(self._rejections, None)

    @_guarded_callback
    def on_optimization_end(self, event: Mapping[str, Any]) -> None:
        """Record the candidates of a checkpoint whose budget was already used up."""
        if self.trials.state is None:
            self.trials.state = event["final_state"]
            self._restore(self.trials.state.i + 1)

    def _leave(self) -> None:
        token, self._token = self._token, None
        if token is not None:
            detach(token)

    def _restore(self, last: int) -> None:
        best = self.resume.restore(last)
        if best is not None:
            self._best = best
            self.resume.report_differences()
