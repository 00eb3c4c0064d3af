"""Trials of the same program on different examples; those on the same ones are in `test_sections.py`."""

from __future__ import annotations

from otel_dspy.reporting.compile_result import Predictor
from otel_dspy.reporting.sections.result.repeated_programs import repeated_programs
from tests.unit.reporting.optimizations import LABELS, optimization, trial

PROGRAM = (Predictor("a", "Answer."),)


def test_an_example_that_one_of_them_scored_is_not_compared() -> None:
    """Of four examples both scored one."""
    found = optimization(
        trial(0, "0000"), trial(1, "11..", program=PROGRAM), trial(2, ".01.", program=PROGRAM), labels=LABELS[:4]
    )
    [one] = repeated_programs(found)
    assert (one.trials, one.is_start, one.common, one.differing) == ((1, 2), False, 1, 1)
    assert one.text == (
        "Trials 1, 2: the same program, and its results differ from run to run: 1 example of 1 that at least two of "
        "them scored has different scores."
    )


def test_trials_that_have_no_example_in_common() -> None:
    """Their results cannot differ."""
    found = optimization(
        trial(0, "0000"), trial(1, "11..", program=PROGRAM), trial(2, "..01", program=PROGRAM), labels=LABELS[:4]
    )
    [one] = repeated_programs(found)
    assert (one.common, one.differing, one.text) == (0, 0, "Trials 1, 2: the same program.")
