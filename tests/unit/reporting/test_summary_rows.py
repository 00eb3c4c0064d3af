from __future__ import annotations

from otel_dspy.reporting.runs.summary_rows import numbers, trial_rows


def test_measures_without_a_number_are_left_out() -> None:
    """The summary has null for NaN and infinities, as for a score of GEPA's metric on a minibatch."""
    assert numbers({"minibatch_before": None, "minibatch_after": 1, "metric_calls": 2.5}) == {
        "minibatch_after": 1.0,
        "metric_calls": 2.5,
    }
    assert numbers(None) == {}


def test_the_best_score_is_that_of_the_trial_that_the_optimizer_keeps() -> None:
    """It has none from a trial on whose score is not a finite number: no later one was better for the optimizer."""
    trials = [
        {"index": index, "score": score, "scope": "full", "state": "complete"}
        for index, score in enumerate((25.0, None, 50.0))
    ]
    rows = {best: [row.best_score for row in trial_rows({"best_trial": best, "trials": trials})] for best in (1, 2)}
    assert rows == {1: [25.0, None, None], 2: [25.0, 25.0, 50.0]}
