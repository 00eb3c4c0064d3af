"""Trials of gepa's proposals: opened, matched with the calls of gepa's adapter, and ended.

The events and calls of an iteration's proposals arrive in the order of the proposals, without an id; they are matched
by the identity of their objects (a minibatch, a candidate).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_dspy.hooks.optimizers.gepa.proposal import Proposal, outcome, trial_info
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.programs import snapshot_if_program, snapshot_of_texts
from otel_dspy.telemetry.spans.trial import close_trial, open_trial
from otel_dspy.telemetry.spans.trial_info import TrialInfo, TrialKind, TrialOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope


class ProposalTrials:
    """Trials of one run of gepa.

    Attributes:
        scope: the compile.
        runs_programs: whether the adapter builds DSPy programs from candidates and evaluates them with `dspy.Evaluate`.
        open: the proposals of the current iteration, in gepa's order.
        seeded: whether the seed's trial was opened.
        pool: the programs of the candidates by gepa's numbers.
        state: gepa's state; None until gepa has passed it.
        limit: the limit of metric calls; None if there is none.
    """

    def __init__(self, telemetry: Telemetry, scope: CompileScope, adapter: Any) -> None:
        """Create the record of a run.

        Args:
            telemetry: creates the spans.
            scope: the compile.
            adapter: gepa's adapter.
        """
        self.scope = scope
        self.runs_programs = callable(getattr(adapter, "build_program", None))
        self.open: list[Proposal] = []
        self.seeded = False
        self.pool: dict[int, ProgramSnapshot | None] = {}
        self.state: Any = None
        self.limit: int | None = None
        self._telemetry = telemetry
        self._adapter = adapter

    def open_seed(self) -> None:
        """Open the seed's trial."""
        self.seeded = True
        trial = open_trial(self._telemetry, self.scope, self.scope.context)
        self.open = [Proposal(trial=trial, kind=TrialKind.BASELINE, label="seed", iteration=0)]

    def add(self, iteration: int) -> Proposal:
        """Open the trial of the iteration's next proposal."""
        number = len(self.open)
        label = f"iteration {iteration}" + (f", proposal {number + 1}" if number else "")
        trial = open_trial(self._telemetry, self.scope, self.scope.context)
        proposal = Proposal(trial=trial, kind=TrialKind.CANDIDATE, label=label, iteration=iteration)
        self.open.append(proposal)
        return proposal

    # Proposals for the calls of gepa's adapter. None: the proposal is unknown and the call is not recorded.

    def evaluates(self, batch: Any, candidate: Any) -> tuple[Proposal, str] | None:
        """Return the proposal that an evaluation belongs to, and its `dspy.evaluate.role`."""
        if not self.open and not self.seeded:
            self.open_seed()  # gepa before 0.1.1 evaluates it before it calls `on_optimization_start`
        first = next(iter(self.open), None)
        if first is None:
            return None
        for proposal in self.open:
            if proposal.candidate is not None and proposal.candidate is candidate:
                return proposal, "candidate" if batch is proposal.minibatch else "validation"
        proposal = next((one for one in self.open if one.minibatch is batch), first)
        if proposal.kind is TrialKind.BASELINE:
            return proposal, "validation"
        if proposal.parent is candidate:
            return proposal, "parent"
        proposal.candidate = candidate
        return proposal, "candidate"

    def reflects(self) -> Proposal | None:
        """Return the proposal whose reflective dataset is created: the next one in order."""
        proposal = self._unprepared()
        if proposal is not None:
            proposal.prepared = True
        return proposal

    def proposes(self, reflective_dataset: Any) -> Proposal | None:
        """Return the proposal of a reflective dataset, for which new texts are generated."""
        return next((one for one in self.open if one.reflective_dataset is reflective_dataset), None)

    def _unprepared(self) -> Proposal | None:
        return next((one for one in self.open if one.before and not one.prepared), None)

    def snapshot(self, candidate: Any) -> ProgramSnapshot | None:
        """Return a snapshot of the candidate as a DSPy program, or of its texts if the adapter builds no program."""
        with guarded("the state of a GEPA candidate"):
            if self.runs_programs:
                return snapshot_if_program(self._adapter.build_program(candidate))
            return snapshot_of_texts(candidate)
        return None

    def close_all(self, rejections: Sequence[str], error: BaseException | None) -> None:
        """End all open trials.

        Args:
            rejections: gepa's reasons, in the order of the rejected proposals.
            error: the exception of the run, if it raised.
        """
        proposals, self.open = self.open, []
        rejected = (one for one in proposals if one.after is not None and one.accepted is None and one.reason is None)
        for proposal, reason in zip(rejected, rejections, strict=False):
            proposal.reason = reason
        for proposal in proposals:
            with guarded("a GEPA trial"):
                self.close(proposal, error)

    def close(self, proposal: Proposal, error: BaseException | None) -> None:
        """End the proposal's trial, with the exception of the run if it raised."""
        used = self.state.total_num_evals if self.state is not None else None
        info, ended = TrialInfo(kind=proposal.kind, label=proposal.label), TrialOutcome(error=error)
        with guarded("the data of a GEPA trial"):
            parents = [self.pool.get(index) for index in proposal.parents]
            info = trial_info(proposal, parents, used, self.limit)
            ended = outcome(proposal, error)
        close_trial(self._telemetry, proposal.trial, info, ended)
