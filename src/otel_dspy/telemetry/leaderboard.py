"""Which trial is best: the one place where `best_score` and `is_best` are worked out."""

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
    """A trial that was scored on the whole validation set, as far as the choice of the best one depends on it.

    Attributes:
        index: `dspy.trial.index`.
        score: in the optimizer's own unit, NaN and infinities included; None where there is none.
        failed: whether something in it raised. Some optimizers count such a trial as scored.
        program_id: `dspy.program.id` of its candidate.
        key: what the optimizer tells equal candidates by (`TrialFacts.key`), where its choice depends on that.
    """

    index: int
    score: float | None
    failed: bool = False
    program_id: str | None = None
    key: Hashable = None


Selection = Callable[[Sequence[Entry]], Entry | None]
"""An optimizer's rule: which of the entries so far, in their order, it would return; None = none of them."""


def greatest(entries: Sequence[Entry]) -> Entry | None:
    """The first entry with the largest score; NaN and failed trials never win. For optimizers without a known rule."""
    best: Entry | None = None
    for entry in entries:
        score = entry.score
        if entry.failed or score is None or math.isnan(score):
            continue
        if best is None or best.score is None or score > best.score:
            best = entry
    return best


def first_unless_greater(entries: Sequence[Entry]) -> Entry | None:
    """The first entry, until one has a larger score: what `score > best_score` and `max` do.

    A NaN that comes first stays, since no number is larger; one that comes later never wins. Failed trials count where
    they have a score.
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
    """Where a compile stands after a trial; scores in the optimizer's own unit."""

    best_score: float | None
    is_best: bool


class Leaderboard:
    """Keeps the best full-scope trial of one compile, by the optimizer's own rule.

    A minibatch score never counts: it is measured on other examples than the next one's.

    Args:
        select: the optimizer's rule.
    """

    def __init__(self, select: Selection = greatest) -> None:
        self._lock = threading.Lock()
        self._select = select
        self._entries: list[Entry] = []
        self._best: Entry | None = None
        self.initial_score: float | None = None

    @property
    def best_score(self) -> float | None:
        """Score of the best trial, None without one."""
        return None if self._best is None else self._best.score

    @property
    def best_index(self) -> int | None:
        """Index of the best trial, None without one."""
        return None if self._best is None else self._best.index

    def enter(self, entry: Entry, *, full: bool, baseline: bool) -> Standing:
        """Take in a trial, and say where the compile stands now. `full`: its score is one on all examples."""
        with self._lock:
            if baseline and entry.score is not None and not entry.failed and self.initial_score is None:
                self.initial_score = entry.score
            if full:
                self._entries.append(entry)
                self._best = self._select(self._entries)
            return Standing(self.best_score, self._best is entry)

    def returned(self, program_id: str | None) -> None:
        """Take in which program the compile has returned: of several trials, the best is one of this program.

        Nothing changes where no full-scope trial scored this very program, as when an optimizer adds something to it.
        """
        with self._lock:
            if program_id is None or (self._best is not None and self._best.program_id == program_id):
                return
            same = [entry for entry in self._entries if entry.program_id == program_id]
            self._best = self._select(same) or first_unless_greater(same) or self._best
