"""Scores of a candidate's parent on the examples of a minibatch, with which those of the candidate are compared."""

from __future__ import annotations

import threading
from typing import Final

PARENT: Final = "parent"
CANDIDATE: Final = "candidate"
"""Values of `dspy.evaluate.role`: the parent on a minibatch, the candidate on the same."""


class ParentScores:
    """Scores by example id of the parents that open trials have evaluated. A minibatch has few examples."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of_trials: dict[int, dict[str, float]] = {}

    def compared(self, trial: int, role: object, example: str, score: float) -> float | None:
        """Return the parent's score on the example of a candidate; None for other examples.

        Args:
            trial: index of the trial that evaluates.
            role: `dspy.evaluate.role`.
            example: `dspy.example.id`.
            score: what it has scored now; kept if the parent is evaluated.
        """
        with self._lock:
            if role == PARENT:
                self._of_trials.setdefault(trial, {}).setdefault(example, score)
            return self._of_trials.get(trial, {}).get(example) if role == CANDIDATE else None

    def trial_ended(self, trial: int) -> None:
        """Forget the scores of a trial."""
        with self._lock:
            self._of_trials.pop(trial, None)
