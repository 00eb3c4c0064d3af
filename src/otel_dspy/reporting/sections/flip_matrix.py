"""Flip matrix: which example was right in which trial, hardest last."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Final, Literal

from otel_dspy.reporting.sections.example_text import example_text
from otel_dspy.reporting.sections.result.winner_against_initial import start_and_winner
from otel_dspy.reporting.trials.trial_line import choice_text, score_text

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Compile, Trial

MAX_EXAMPLES: Final = 200
MAX_TRIALS: Final = 100
_TEXT: Final = 60
Mark = Literal["fixed", "broke", "never", "always", "mixed"]
Cell = Literal["right", "wrong", "partial", "error", "none"]
"""`error`: program or metric raised, which counts as a score of 0; `none`: not scored."""


@dataclass(frozen=True)
class Column:
    """One trial."""

    trial: int
    choice: str
    score: str
    is_start: bool
    is_winner: bool


@dataclass(frozen=True)
class Row:
    """One example."""

    example: str
    text: str
    mark: Mark
    """`fixed` or `broke`: winner against start; `never` and `always`: right in no or in each trial that scored it."""
    mean: float
    cells: tuple[Cell, ...]
    """One for each column."""


@dataclass(frozen=True)
class FlipMatrix:
    """The matrix; the counts are those of all examples, shown or not."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    counts: dict[Mark, int]
    examples_left_out: int
    trials_left_out: int
    """Trials with results that are not shown."""
    without_results: tuple[int, ...]
    """Trials without a result on the validation set, which have no column."""
    minibatches_apart: bool = False
    """Whether one of these was scored on a minibatch."""

    @property
    def kinds(self) -> set[Cell]:
        """Kinds of cells that the matrix has."""
        return {cell for row in self.rows for cell in row.cells}

    def examples(self, mark: Mark) -> list[str]:
        """Return the ids of the shown examples with a mark, in the order of the dataset."""
        return sorted((row.example for row in self.rows if row.mark == mark), key=int)


def flip_matrix(found: Compile, *, max_examples: int = MAX_EXAMPLES, max_trials: int = MAX_TRIALS) -> FlipMatrix | None:
    """Return the matrix of trials with recorded results; None without any.

    Args:
        found: the optimization.
        max_examples: the most rows; those that changed are kept first, then those that vary most between trials.
        max_trials: the most columns; start, winner and full evaluations are kept first.
    """
    trials = [trial for trial in found.trials if trial.results]
    if not trials:
        return None
    highest = max(score for trial in trials for score in trial.scores.values())
    shown = _kept_trials(found, trials, max_trials)
    rows = _rows(found, trials, shown, highest)
    kept = sorted(rows, key=_information)[:max_examples]
    counts: dict[Mark, int] = dict.fromkeys(("fixed", "broke", "never", "always", "mixed"), 0)
    for row, _ in rows:
        counts[row.mark] += 1
    without = [trial for trial in found.trials if not trial.results]
    return FlipMatrix(
        tuple(_column(found, trial) for trial in shown),
        tuple(row for row, _ in sorted(kept, key=lambda one: (-one[0].mean, int(one[0].example)))),
        counts,
        len(rows) - len(kept),
        len(trials) - len(shown),
        tuple(trial.row.index for trial in without),
        any(trial.row.scope == "minibatch" and trial.row.score is not None for trial in without),
    )


def _kept_trials(found: Compile, trials: list[Trial], most: int) -> list[Trial]:
    ends = {found.best_trial, found.start.row.index if found.start else None}
    first = sorted(trials, key=lambda trial: (trial.row.index not in ends, not trial.is_full, trial.row.index))[:most]
    return sorted(first, key=lambda trial: trial.row.index)


def _column(found: Compile, trial: Trial) -> Column:
    start = found.start
    return Column(
        trial.row.index,
        choice_text(trial.row),
        score_text(trial.row),
        is_start=start is not None and start.row.index == trial.row.index,
        is_winner=trial.row.index == found.best_trial,
    )


def _rows(found: Compile, trials: list[Trial], shown: list[Trial], highest: float) -> list[tuple[Row, float]]:
    """Return each example that a trial scored, with the deviation of its scores."""
    comparison = start_and_winner(found)
    gained = set(comparison.gained) if comparison else set[str]()
    lost = set(comparison.lost) if comparison else set[str]()
    by_trial = {trial.row.index: {result.example: result for result in trial.results} for trial in trials}
    rows: list[tuple[Row, float]] = []
    for example in found.examples:
        scores = [results[example.id].score for results in by_trial.values() if example.id in results]
        if not scores:
            continue
        cells: list[Cell] = []
        for trial in shown:
            result = by_trial[trial.row.index].get(example.id)
            if result is None:
                cells.append("none")
            else:
                cells.append("error" if result.error is not None else _cell(result.score, highest))
        mark: Mark = "mixed"
        if example.id in gained:
            mark = "fixed"
        elif example.id in lost:
            mark = "broke"
        elif max(scores) <= 0:
            mark = "never"
        elif min(scores) >= highest:
            mark = "always"
        row = Row(example.id, example_text(example, _TEXT), mark, fmean(scores), tuple(cells))
        rows.append((row, pstdev(scores)))
    return rows


def _cell(score: float, highest: float) -> Cell:
    if score <= 0:
        return "wrong"
    return "right" if score >= highest else "partial"


def _information(one: tuple[Row, float]) -> tuple[int, float, int]:
    row, deviation = one
    order = {"fixed": 0, "broke": 0, "never": 1, "mixed": 1, "always": 2}
    return (order[row.mark], -deviation, int(row.example))
