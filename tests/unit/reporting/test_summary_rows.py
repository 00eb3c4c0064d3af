from __future__ import annotations

from otel_dspy.reporting.runs.summary_rows import numbers


def test_measures_without_a_number_are_left_out() -> None:
    """The summary has null for NaN and infinities, as for a score of GEPA's metric on a minibatch."""
    assert numbers({"minibatch_before": None, "minibatch_after": 1, "metric_calls": 2.5}) == {
        "minibatch_after": 1.0,
        "metric_calls": 2.5,
    }
    assert numbers(None) == {}
