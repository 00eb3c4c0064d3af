"""Tokens and cost of 1,000 calls of the start and of the winner, estimated from their evaluations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Compile, Trial

CALLS: Final = 1000


@dataclass(frozen=True)
class CallCost:
    """Usage of `CALLS` calls of a program."""

    trial: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    """USD; None if a price is not known."""

    @property
    def tokens(self) -> int:
        """Input and output tokens."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True)
class Production:
    """Usage of the start, if it was scored on the whole validation set, and of the winner."""

    start: CallCost | None
    winner: CallCost


def production(found: Compile) -> Production | None:
    """Return the estimate; None if the winner's calls are not recorded.

    Tokens of a model call are the mean over the calls of the trial that DSPy's cache did not answer. The number of
    model calls of a program call is that of the start's evaluation, because the trials of some optimizers (GEPA) also
    call other programs; without a start it is that of the winner's.
    """
    start, winner = found.start, found.winner
    if winner is None:
        return None
    per_call = _calls_of_a_program(start) or _calls_of_a_program(winner)
    if per_call is None:
        return None
    cost = _cost(winner, per_call)
    if cost is None:
        return None
    same = start is None or start.row.index == winner.row.index
    return Production(None if same or start is None else _cost(start, per_call), cost)


def _calls_of_a_program(trial: Trial | None) -> float | None:
    if trial is None or not trial.is_full or trial.task is None or not trial.results or not trial.task.calls:
        return None
    return trial.task.calls / len(trial.results)


def _cost(trial: Trial, per_call: float) -> CallCost | None:
    use = trial.task
    if use is None or use.calls <= use.cached or not use.input_tokens:
        return None
    scale = per_call * CALLS / (use.calls - use.cached)
    return CallCost(
        trial.row.index,
        round(use.input_tokens * scale),
        round(use.output_tokens * scale),
        None if use.cost is None or use.unpriced_calls else use.cost * scale,
    )
