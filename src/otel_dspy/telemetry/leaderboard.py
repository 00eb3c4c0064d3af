"""Which trial is best: the one place where `best_score` and `is_best` are worked out."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a compile stands after a trial; scores in the optimizer's own unit."""

    best_score: float | None
    is_best: bool


class Leaderboard:
    """Keeps the best full-scope score of one compile.

    A minibatch score never counts: it is measured on other examples than the next one's. Equal scores leave the
    earlier trial ahead, as DSPy's optimizers do (`score > best_score`). NaN is no score: nothing compares with it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.best_score: float | None = None
        self.best_index: int | None = None
        self.initial_score: float | None = None

    def enter(self, index: int, score: float | None, *, full: bool, baseline: bool) -> Standing:
        """Take in the score of the trial with this index, and say where the compile stands now."""
        if score is not None and math.isnan(score):
            score = None
        with self._lock:
            if baseline and score is not None and self.initial_score is None:
                self.initial_score = score
            ahead = full and score is not None and (self.best_score is None or score > self.best_score)
            if ahead:
                self.best_score, self.best_index = score, index
            return Standing(self.best_score, ahead)
