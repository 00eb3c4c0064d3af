"""State of a SIMBA compile: the current step, its candidates, and the pool of programs by `simba_idx`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from otel_dspy.hooks.optimizers.phase import PhaseHook
from otel_dspy.serialization.programs import snapshot_if_program
from otel_dspy.telemetry.spans.trial import close_trial
from otel_dspy.telemetry.spans.trial_info import ScoreUnit, TrialOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context

    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope, EvaluateScope, TrialScope
    from otel_dspy.telemetry.spans.trial_info import TrialInfo


@dataclass(slots=True, eq=False)
class Tag:
    """State of a function that `wrap_program` returned.

    Attributes:
        program: the wrapped program.
        function: the function itself; the reference prevents reuse of its id.
        call_context: its evaluation and position; None before it is scheduled.
        further: additional values of its row.
        raised: exceptions of the program or the metric, which the function swallows, by thread id.
    """

    program: Any
    function: Any = None
    call_context: tuple[EvaluateScope, int] | None = None
    further: Mapping[str, bool | int] = field(default_factory=dict[str, "bool | int"])
    raised: dict[int, BaseException] = field(default_factory=dict[int, BaseException])


@dataclass(slots=True, eq=False)
class Candidate:
    """Program to be scored, with its open trial. The reference to the program prevents reuse of its id."""

    program: Any
    trial: TrialScope
    info: TrialInfo
    snapshot: ProgramSnapshot | None = None
    score: float | None = None
    """Raw mean of the metric's values."""


@dataclass(slots=True, eq=False)
class Search:
    """State of one compile."""

    telemetry: Telemetry
    scope: CompileScope
    step: int = -1
    """Number of the step, from 0, as in SIMBA's `trial_logs`."""
    num_models: int = 0
    sampled: bool = False
    """Whether the step has sampled its trajectories and scores its candidates next."""
    built: int = 0
    """Number of candidates that the step has built or failed to build."""
    candidates: list[Candidate] = field(default_factory=list[Candidate])
    """Candidates of the step, in SIMBA's order."""
    tags: dict[int, Tag] = field(default_factory=dict["int", "Tag"])
    """Tags by `id` of the function that `wrap_program` returned, until it has run."""
    program_ids: list[str | None] = field(default_factory=list["str | None"])
    """`dspy.program.id` of the programs in SIMBA's pool; the position is the `simba_idx`."""
    winners: list[int] = field(default_factory=lambda: [0])
    """`simba_idx` of the first program and of each step's best."""
    _phase: PhaseHook | None = None
    _context: Context | None = None

    @property
    def context(self) -> Context:
        """The context of the current step; outside of steps, that of the compile."""
        return self.scope.context if self._context is None else self._context

    @property
    def in_step(self) -> bool:
        """Whether a step is open."""
        return self._phase is not None

    def begin_step(self, baseline: Any, num_models: int) -> None:
        """Open a step.

        Args:
            baseline: the first program of the pool.
            num_models: the number of samples per example.
        """
        self.end_step(None)
        if not self.program_ids:
            found = snapshot_if_program(baseline)
            self.program_ids.append(None if found is None else found.id)
        self.step += 1
        self.num_models = num_models
        self.built = 0
        self.sampled = False
        self._phase = PhaseHook(self.telemetry, self.scope, "step", None)
        self._phase.index = self.step
        self._context = self._phase.open()

    def scores(self, pairs: Sequence[tuple[Any, Any]]) -> bool:
        """Return whether SIMBA itself runs these pairs of function and example.

        The pairs are empty in a step that has built no candidates.
        """
        return all(id(function) in self.tags for function, _ in pairs) and (bool(pairs) or self.in_step)

    def register(self) -> None:
        """Add the scored candidates of the step to the pool, in their order."""
        best: tuple[float, int] | None = None
        for candidate in self.candidates:
            number = len(self.program_ids)
            self.program_ids.append(None if candidate.snapshot is None else candidate.snapshot.id)
            candidate.info = replace(candidate.info, parameters={**candidate.info.parameters, "simba_idx": number})
            if candidate.score is not None and (best is None or candidate.score > best[0]):
                best = candidate.score, number
        if best is not None:
            self.winners.append(best[1])

    def end_step(self, error: BaseException | None) -> None:
        """End the step and the trials of candidates that were not scored."""
        waiting, self.candidates = self.candidates, []
        self.tags.clear()
        for candidate in waiting:
            self.end_trial(candidate, error)
        phase, self._phase, self._context = self._phase, None, None
        if phase is not None:
            phase.close(error)

    def end_trial(self, candidate: Candidate, error: BaseException | None) -> None:
        """End a candidate's trial."""
        outcome = TrialOutcome(score=candidate.score, unit=ScoreUnit.RATIO, program=candidate.snapshot, error=error)
        close_trial(self.telemetry, candidate.trial, candidate.info, outcome)

    def validated(self, program_ids: Sequence[str | None]) -> list[int | None]:
        """Return the `simba_idx` of the programs that SIMBA validates: evenly spaced winners.

        If the programs differ from those that 3.4.1 selects (`program_idxs` in `simba.py`), all are None.
        """
        last = len(self.winners) - 1
        spaced = [round(slot * last / self.num_models) for slot in range(self.num_models + 1)] if last else [0]
        chosen = [self.winners[position] for position in dict.fromkeys(spaced)]
        known = [self.program_ids[number] for number in chosen if number < len(self.program_ids)]
        return list(chosen) if known == list(program_ids) else [None] * len(program_ids)
