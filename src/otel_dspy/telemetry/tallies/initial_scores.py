"""Scores of examples by the program before optimization, with which later trials are compared."""

from __future__ import annotations

import threading
from typing import Final

MAX_EXAMPLES: Final = 10_000
"""Maximum number of scores of a compile that are kept."""


class InitialScores:
    """Scores by example id of the trial of the program before optimization, from its end on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of_trials: dict[int, dict[str, float]] = {}
        """Scores of trials that have not ended, by index: one of them may be that of the initial program."""
        self._initial: dict[str, float] | None = None

    def compared(self, trial: int | None, example: str, score: float) -> float | None:
        """Return the example's score before optimization; None if it is not known, or this may be it.

        Args:
            trial: index of the trial that has scored it now; None outside of trials.
            example: `dspy.example.id`.
            score: what it has scored now.
        """
        with self._lock:
            if self._initial is not None:
                return self._initial.get(example)
            if trial is not None and sum(map(len, self._of_trials.values())) < MAX_EXAMPLES:
                self._of_trials.setdefault(trial, {}).setdefault(example, score)
            return None

    def trial_ended(self, trial: int, *, initial: bool) -> None:
        """Keep the scores of a trial that scored the initial program, the first one; forget those of another.

        Args:
            trial: its index.
            initial: whether it has scored the program before optimization.
        """
        with self._lock:
            if self._initial is not None:
                return
            scores = self._of_trials.pop(trial, {})
            if initial:
                self._initial = scores
                self._of_trials.clear()
