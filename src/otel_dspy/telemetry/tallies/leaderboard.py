"""Selection of the best trial of a compile, for `best_score` and `is_best`."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A trial that competes for the best one, with the fields that selection rules use.

    Attributes:
        index: `dspy.trial.index`.
        score: score in the optimizer's unit, possibly NaN or infinite; None if there is none.
        failed: whether an exception was raised in it. Some optimizers count such a trial as scored.
        program_id: `dspy.program.id` of the candidate.
        key: identity of equal candidates for the optimizer (`TrialInfo.key`), if its rule uses one.
    """

    index: int
    score: float | None
    failed: bool = False
    program_id: str | None = None
    key: Hashable = None


Selection = Callable[[Sequence[Entry]], Entry | None]
"""An optimizer's rule: selects, from the entries in order, the one that it would return; None = none of them."""


def greatest(entries: Sequence[Entry]) -> Entry | None:
    """Select the first entry with the largest score, ignoring NaN and failed trials. Default for unknown optimizers."""
    best: Entry | None = None
    for entry in entries:
        score = entry.score
        if entry.failed or score is None or math.isnan(score):
            continue
        if best is None or best.score is None or score > best.score:
            best = entry
    return best


def first_unless_greater(entries: Sequence[Entry]) -> Entry | None:
    """Select the first entry, unless a later one has a larger score, like `score > best_score` and `max`.

    A leading NaN is kept, since no number is larger than NaN; a later NaN is never selected. Failed trials with a score
    count.
    """
    best: Entry | None = None
    for entry in entries:
        if entry.score is None:
            continue
        if best is None or best.score is None or entry.score > best.score:
            best = entry
    return best


@dataclass(frozen=True, slots=True)
class Standing:
    """State of the leaderboard after a trial; scores in the optimizer's unit."""

    best_score: float | None
    is_best: bool
    initial_score: float | None = None
    """Score of the program before optimization on the examples of this trial: all of them.

    None for its own trial, and if it is NaN.
    """


class Leaderboard:
    """Tracks the best trial of a compile by the optimizer's rule.

    Minibatch scores are ignored, because each is measured on different examples, unless the optimizer counts them.

    Args:
        select: the optimizer's rule.
    """

    def __init__(self, select: Selection = greatest) -> None:
        self._lock = threading.Lock()
        self._select = select
        self._entries: list[Entry] = []
        self._best: Entry | None = None
        self.initial_score: float | None = None
        self._initial_is_full = False

    @property
    def best_score(self) -> float | None:
        """Score of the best trial; None if there is none."""
        return None if self._best is None else self._best.score

    @property
    def best_index(self) -> int | None:
        """Index of the best trial; None if there is none."""
        return None if self._best is None else self._best.index

    def enter(self, entry: Entry, *, full: bool, baseline: bool, competes: bool = False) -> Standing:
        """Add a trial and return the new state.

        Args:
            entry: the trial.
            full: whether its score was measured on all examples.
            baseline: whether it scores the program before optimization.
            competes: whether the optimizer may return its program although it was measured on a part of the examples.
        """
        with self._lock:
            initial = self.initial_score if full and self._initial_is_full else None
            known = None if initial is None or math.isnan(initial) else initial
            if baseline and entry.score is not None and not entry.failed and self.initial_score is None:
                self.initial_score, self._initial_is_full = entry.score, full
            if full or competes:
                self._entries.append(entry)
                self._best = self._select(self._entries)
            return Standing(self.best_score, self._best is entry, known)

    @property
    def best_until_stop(self) -> Entry | None:
        """The best trial if the compile ends now without a program: one with a finite score, where there is one.

        A rule that keeps a leading NaN is that of the program to return.
        """
        best = self._best
        if best is not None and best.score is not None and math.isfinite(best.score):
            return best
        finite = [entry for entry in self._entries if entry.score is not None and math.isfinite(entry.score)]
        return greatest(finite) or best

    def stopped(self) -> None:
        """Select the best trial of a compile that returned nothing."""
        with self._lock:
            self._best = self.best_until_stop

    def returned(self, program_id: str | None) -> None:
        """Select the best trial of the program that the compile has returned.

        Has no effect if no competing trial scored exactly this program, as when an optimizer modifies it at the end.
        """
        with self._lock:
            if program_id is None or (self._best is not None and self._best.program_id == program_id):
                return
            same = [entry for entry in self._entries if entry.program_id == program_id]
            self._best = self._select(same) or first_unless_greater(same) or self._best
