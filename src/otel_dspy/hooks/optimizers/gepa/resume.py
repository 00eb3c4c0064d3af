"""Resumption of a run from a checkpoint of gepa."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_dspy import semconv
from otel_dspy.hooks.optimizers.gepa.restored_candidates import best_of, differences, restored
from otel_dspy.telemetry.spans.trial import open_trial

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_dspy.hooks.optimizers.gepa.proposal_trials import ProposalTrials
    from otel_dspy.telemetry.emitter import Telemetry

_logger = logging.getLogger(__name__)
_CHECKPOINT: Final = "gepa_state.bin"
"""The file that gepa resumes from (`initialize_gepa_state`)."""
_OTHER_CHECKPOINT: Final = (
    "GEPA resumed from %s, which was written with other inputs (%s). It continues with the stored candidates and "
    "scores, not with the given program; to start with the given program, use another folder."
)


class Resume:
    """What a run resumes from, if there is a checkpoint."""

    def __init__(self, telemetry: Telemetry, trials: ProposalTrials) -> None:
        self._telemetry = telemetry
        self._trials = trials
        self._checkpoint: str | None = None
        self._fresh_scores: Sequence[float] | None = None
        self._given: tuple[Mapping[str, str], int] | None = None

    @property
    def pending(self) -> bool:
        """Whether gepa resumes from a checkpoint that it has not loaded yet."""
        return self._checkpoint is not None and self._trials.state is None

    def runs_in(self, folder: str | None) -> None:
        """Set gepa's `run_dir`; gepa resumes from the checkpoint in it, if there is one."""
        if folder is not None and Path(folder, _CHECKPOINT).exists():
            self._checkpoint = str(folder)

    def seed_evaluated(self, scores: Sequence[float] | None) -> None:
        """Store the seed's scores from before the checkpoint is loaded, which gepa itself discards."""
        self._fresh_scores = scores

    def seed_given(self, texts: Mapping[str, str], examples: int) -> None:
        """Store the seed's texts and the number of validation examples, from before the checkpoint is loaded."""
        self._given = texts, examples

    def restore(self, last: int) -> int | None:
        """Record the checkpoint's candidates as trials: one of them may be this compile's best.

        Args:
            last: the iteration up to which they were found.

        Returns:
            The number of the best candidate; None without a checkpoint.
        """
        if self._checkpoint is None:
            return None
        trials, state = self._trials, self._trials.state
        trials.scope.span.set_attributes(
            {semconv.DSPY_COMPILE_RESUMED_FROM: self._checkpoint, semconv.DSPY_COMPILE_RESUMED_ITERATION: last}
        )
        for index in range(len(state.program_candidates)):
            proposal = restored(state, index, open_trial(self._telemetry, trials.scope, trials.scope.context))
            proposal.program = trials.pool[index] = trials.snapshot(proposal.candidate)
            trials.close(proposal, None)
        return best_of(state.program_full_scores_val_set)

    def report_differences(self) -> None:
        """Record and log how the checkpoint differs from what was given to this compile."""
        state, span = self._trials.state, self._trials.scope.span
        found = [] if self._given is None else differences(state, *self._given, self._fresh_scores)
        if found:
            span.set_attribute(semconv.DSPY_COMPILE_RESUMED_DIFFERENCES, found)
            _logger.warning(_OTHER_CHECKPOINT, self._checkpoint, "; ".join(found))
