"""Scores of the initial program's trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.telemetry.tallies import initial_scores
from otel_dspy.telemetry.tallies.initial_scores import InitialScores

if TYPE_CHECKING:
    import pytest


def test_scores_are_known_from_the_end_of_the_first_initial_trial() -> None:
    """Neither within it nor in trials before it; a second trial of that program changes nothing."""
    scores = InitialScores()
    assert scores.compared(0, "a", 1.0) is None
    scores.trial_ended(0, initial=False)
    assert [scores.compared(1, "a", 0.5), scores.compared(1, "a", 0.25), scores.compared(None, "b", 1.0)] == [None] * 3
    scores.trial_ended(1, initial=True)
    assert [scores.compared(2, "a", 1.0), scores.compared(None, "a", 1.0), scores.compared(2, "b", 1.0)] == [
        0.5, 0.5, None,
    ]  # fmt: skip
    scores.trial_ended(2, initial=True)
    assert scores.compared(3, "a", 0.0) == 0.5


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the scores of trials that have not ended, or of the initial one."""
    monkeypatch.setattr(initial_scores, "MAX_EXAMPLES", 2)
    scores = InitialScores()
    for example in "abc":
        scores.compared(0, example, 1.0)
    scores.trial_ended(0, initial=False)
    for example in "abc":
        scores.compared(1, example, 1.0)
    scores.trial_ended(1, initial=True)
    assert [scores.compared(2, example, 0.0) for example in "abc"] == [1.0, 1.0, None]


def test_examples_that_are_scored_again_take_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minibatch may have an example twice, in each of many trials before the initial program is scored."""
    monkeypatch.setattr(initial_scores, "MAX_EXAMPLES", 2)
    scores = InitialScores()
    for trial in range(3):
        for example in "aa":
            scores.compared(trial, example, 1.0)
        scores.trial_ended(trial, initial=False)
    for example in "ab":
        scores.compared(3, example, 1.0)
    scores.trial_ended(3, initial=True)
    assert [scores.compared(4, example, 0.0) for example in "ab"] == [1.0, 1.0]
