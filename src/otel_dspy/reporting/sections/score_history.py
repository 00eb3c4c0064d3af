"""Score by trial, with its uncertainty and the best score so far."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Literal

from otel_dspy.formatting.trial_values import error_text, reason_text
from otel_dspy.reporting.number_text import score_scale
from otel_dspy.reporting.sections.result.stopped_text import state_text
from otel_dspy.reporting.statistics.intervals import mean_interval
from otel_dspy.reporting.trials.trial_line import choice_text

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Compile, Trial
    from otel_dspy.reporting.statistics.intervals import Interval

Mark = Literal["full", "minibatch", "none"]
_CLOSE: Final = 0.011
"""Scores in percent are rounded to two digits."""


@dataclass(frozen=True)
class Point:
    """A trial in the history of scores."""

    trial: int
    choice: str
    mark: Mark
    """Scope of the score; `none` without one."""
    state: str
    score: float | None
    interval: Interval | None
    """95 % interval in the unit of the score; None if it is not known."""
    n: int
    """Number of examples with a recorded result."""
    best: float | None
    """Best full score so far."""
    is_winner: bool
    reason: str | None
    """Why there is no score, or why the candidate was rejected."""
    examples: int
    """Number of examples that were scored by its end, over all trials."""
    tokens: int
    """Tokens that the trials have used by its end."""
    ended: float | None
    """Seconds after the start of the optimization; None if it is not known."""


def score_history(found: Compile) -> tuple[Point, ...]:
    """Return the trials in order, each with its score as the optimizer has it."""
    examples = list(accumulate(len(trial.results) for trial in found.trials))
    tokens = list(accumulate(trial.row.input_tokens + trial.row.output_tokens for trial in found.trials))
    return tuple(
        Point(
            trial=trial.row.index,
            choice=choice_text(trial.row),
            mark="none" if trial.row.score is None else ("full" if trial.row.scope == "full" else "minibatch"),
            state=state_text(trial) if trial.row.failure is None else "every example failed",
            score=trial.row.score,
            interval=_interval(trial),
            n=len(trial.results),
            best=trial.row.best_score,
            is_winner=trial.row.index == found.best_trial,
            reason=_reason(trial),
            examples=examples[place],
            tokens=tokens[place],
            ended=None if trial.started is None else trial.started + trial.row.seconds,
        )
        for place, trial in enumerate(found.trials)
    )


def _reason(trial: Trial) -> str | None:
    if trial.reason:
        return reason_text(trial.reason)
    return trial.row.failure if trial.error is None else error_text(trial.error)


def _interval(trial: Trial) -> Interval | None:
    """Return the interval, if the score is the mean of the recorded results."""
    scores, score = list(trial.scores.values()), trial.row.score
    found = mean_interval(scores)
    if found is None or score is None:
        return None
    scale = score_scale(trial.row.unit)
    if abs(sum(scores) / len(scores) * scale - score) > _CLOSE * scale / 100:
        return None
    return found.times(scale)
