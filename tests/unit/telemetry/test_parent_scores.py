"""Scores of a candidate's parent on a minibatch."""

from __future__ import annotations

from otel_dspy.telemetry.tallies.parent_scores import ParentScores


def test_a_candidate_is_compared_with_the_parent_of_its_trial() -> None:
    """On the same example, until the trial ends; not the parent with itself, nor a validation."""
    scores = ParentScores()
    assert scores.compared(1, "candidate", "a", 1.0) is None
    assert [scores.compared(1, "parent", "a", 0.5), scores.compared(1, "parent", "a", 0.25)] == [None, None]
    assert scores.compared(1, "candidate", "a", 1.0) == 0.5
    assert [scores.compared(1, "validation", "a", 1.0), scores.compared(1, "candidate", "b", 1.0)] == [None, None]
    assert scores.compared(2, "candidate", "a", 1.0) is None
    scores.trial_ended(1)
    assert scores.compared(1, "candidate", "a", 1.0) is None
