"""Figures of one run, for a comparison with others: scores, curve, cost for each point gained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Compile
    from otel_dspy.reporting.trials.trial_row import ModelUse

_SHORT: Final = 8
_PERCENT: Final = 100.0


@dataclass(frozen=True)
class RunFigures:
    """Figures of one run. Scores are in points (hundredths of the metric), so that percentages and ratios compare."""

    run_id: str
    name: str
    """Optimizer and the first characters of the run's id."""
    optimizer: str
    program: str
    metric: str | None
    status: str
    examples: int
    """Size of the set that trials are scored on."""
    examples_digest: str | None
    scored_on: Literal["validation", "training"]
    """Which set that is: the training set where the optimizer has no other examples."""
    initial_score: float | None
    best_score: float | None
    gain: float | None
    trials: int
    duration: float
    """Seconds."""
    usage: ModelUse
    cost_per_point: float | None
    """USD for each point of the gain; None without a gain or a known price."""
    tokens_per_point: float | None
    """Tokens for each point of the gain; None without a gain or observed calls."""
    curve: tuple[float | None, ...]
    """Best full score up to each trial."""


def points(score: float | None, unit: str | None) -> float | None:
    """Return a score in points.

    Args:
        score: the score.
        unit: `percent`, else a ratio.
    """
    if score is None:
        return None
    return score if unit == "percent" else score * _PERCENT


def run_name(found: Compile) -> str:
    """Return the optimizer with the first characters of the run's id."""
    return f"{found.optimizer} {found.run_id[:_SHORT]}"


def run_figures(found: Compile) -> RunFigures:
    """Return the figures of a run."""
    initial, best = points(found.initial_score, found.unit), points(found.best_score, found.unit)
    gain = None if initial is None or best is None else best - initial
    gained = gain if gain is not None and gain > 0 else None
    return RunFigures(
        run_id=found.run_id,
        name=run_name(found),
        optimizer=found.optimizer,
        program=found.program,
        metric=found.metric,
        status=found.status,
        examples=len(found.examples),
        examples_digest=found.validation_digest,
        scored_on=found.scored_on,
        initial_score=initial,
        best_score=best,
        gain=gain,
        trials=len(found.trials),
        duration=found.duration,
        usage=found.usage,
        cost_per_point=found.usage.cost / gained if gained and found.usage.cost is not None else None,
        tokens_per_point=found.usage.tokens / gained if gained and found.usage.observed else None,
        curve=tuple(points(trial.row.best_score, found.unit) for trial in found.trials),
    )
