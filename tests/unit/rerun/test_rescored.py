"""Results of a trial that is scored again: mean, changed and failed examples."""

from __future__ import annotations

from otel_dspy.rerun.scoring import Rescored


def test_the_mean_is_in_the_trials_unit() -> None:
    """Percent as DSPy rounds it, or a ratio; changed and added examples are those with another score, or without one."""
    found = Rescored((("0", 1.0, 0.0), ("1", None, 1.0), ("2", 0.0, 0.0)), {}, 3)
    assert (found.mean("percent"), found.mean("ratio"), found.mean(None)) == (33.33, 1 / 3, 1 / 3)
    assert (found.changed, found.added) == ([("0", 1.0, 0.0)], 1)


def test_every_example_has_failed() -> None:
    """Of those that were called: an example without an answer is none of them."""
    scores = (("0", 1.0, 0.0), ("1", 1.0, 0.0))
    assert Rescored(scores, {"0": "error", "1": "error"}, 2).all_failed
    assert not Rescored(scores, {"0": "error"}, 2).all_failed
    assert Rescored(scores, {"0": "error"}, 1).all_failed
    assert not Rescored(scores, {}, 0).all_failed
