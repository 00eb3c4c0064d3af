"""Report on a trial that failed without an exception: Optuna does not accept NaN as a score."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import dspy
from dspy.teleprompt import BootstrapFewShotWithOptuna

from tests.integration.reporting.test_every_optimizer import reported
from tests.support.addition_task import exact, examples
from tests.support.learning_lm import learning_lm

if TYPE_CHECKING:
    from pathlib import Path

    import optuna


class Unmeasured(BootstrapFewShotWithOptuna):
    """Its second trial has the score NaN."""

    def objective(self, trial: optuna.Trial) -> float:
        """The score, or NaN."""
        optimizer: Any = super()
        score: float = optimizer.objective(trial)
        return math.nan if trial.number else score


def test_a_score_of_nan(tmp_path: Path) -> None:
    """The report has the score as the cause of the failure, and no state in the place of an exception."""

    def optimize() -> None:
        optimizer: Any = Unmeasured(exact, max_labeled_demos=1, num_candidate_programs=2, num_threads=1)
        with dspy.context(lm=learning_lm()):
            optimizer.compile(dspy.Predict("question -> answer"), max_demos=1, trainset=examples(3), valset=examples(3))

    report = reported(tmp_path, optimize)
    assert [(trial.row.state, trial.error) for trial in report.compile.trials] == [
        ("complete", None),
        ("fail", "score NaN"),
    ]
    for text in (report.description, report.text):
        assert "1 trial failed, the first with score NaN." in text
        assert "with fail" not in text
