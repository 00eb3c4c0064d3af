"""Verdict on two runs in one sentence: which winner is better, or that the difference is noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.formatting.trial_values import score_value_text
from otel_dspy.reporting.comparison.run_figures import points, run_name
from otel_dspy.reporting.number_text import paired_test_text

if TYPE_CHECKING:
    from otel_dspy.reporting.comparison.winner_comparison import ExampleComparison
    from otel_dspy.reporting.compile_result import Compile
    from otel_dspy.reporting.statistics.significance import PairedTest

Outcome = Literal["better", "worse", "noise", "equal", "unknown"]


def outcome(compared: ExampleComparison) -> Outcome:
    """Return what the test shows of the second run; `unknown` without one."""
    test = compared.test
    if test is None:
        return "unknown"
    if not test.gained and not test.lost:
        return "equal"
    if not test.significant or not test.difference:
        return "noise"
    return "better" if test.difference > 0 else "worse"


def sentence(first: Compile, second: Compile, compared: ExampleComparison) -> str:
    """Return the verdict on the second run against the first.

    Args:
        first: the run to compare with.
        second: the run that is compared.
        compared: their winners, example by example.
    """
    test, names = compared.test, f"{run_name(second)} and {run_name(first)}"
    if test is None:
        scores = " and ".join(
            score_value_text(points(found.best_score, found.unit), "percent") for found in (second, first)
        )
        return f"{names}, with best scores {scores}, cannot be compared by example: {compared.missing}."
    match outcome(compared):
        case "equal":
            return f"{names} are equal: their winners scored each of {counted(test.n, 'example')} the same."
        case "better" | "worse" as found:
            return (
                f"{run_name(second)} is {found} than {run_name(first)} by {abs(test.difference) * 100:.1f} points: "
                f"{evidence(test)}."
            )
        case _:
            more = (
                f"; with these rates about {test.needed} examples in all would separate the two" if test.needed else ""
            )
            return (
                f"The difference of {test.difference * 100:+.1f} points between {names} is noise: "
                f"{evidence(test)}{more}."
            )


def evidence(test: PairedTest) -> str:
    """Return the counts of a test with its p-value."""
    return (
        f"{counted(test.gained, 'example')} improved and {test.lost} got worse, of {test.n} ({paired_test_text(test)})"
    )
