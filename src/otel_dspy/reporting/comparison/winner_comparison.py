"""Comparison of the winners of two optimizations, example by example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.reporting.comparison.pairing import pair_examples
from otel_dspy.reporting.sections.example_text import example_text, fields_text
from otel_dspy.reporting.sections.result.gains import MAX_TEXT
from otel_dspy.reporting.statistics.significance import paired_test

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.reporting.comparison.pairing import Pairing
    from otel_dspy.reporting.compile_result import Compile, ExampleResult, Trial
    from otel_dspy.reporting.statistics.significance import PairedTest

MAX_FLIPS: Final = 20
"""Most examples of each kind that are shown."""


@dataclass(frozen=True)
class Flip:
    """An example that the two winners scored differently."""

    example: str
    """`Example.id`: position in the set that the first run's trials are scored on."""
    text: str
    label: str
    first: str
    """Answer of the first run's winner, or its error."""
    second: str
    first_score: float
    second_score: float


@dataclass(frozen=True)
class ExampleComparison:
    """Scores of the winners of two runs on the same examples."""

    pairing: Pairing
    test: PairedTest | None
    """None if there is nothing to compare; `missing` gives the reason."""
    missing: str | None = None
    gained: tuple[Flip, ...] = ()
    """Examples that the second run's winner scored higher, at most 20."""
    lost: tuple[Flip, ...] = ()


def compare_examples(first: Compile, second: Compile) -> ExampleComparison:
    """Compare the winners on the examples that the sets of both have.

    Args:
        first: the run to compare with.
        second: the run that is compared.
    """
    pairing = pair_examples(first, second)
    if first.metric != second.metric:
        names = " and ".join(found.metric or "an unnamed one" for found in (first, second))
        return ExampleComparison(pairing, None, f"the metrics differ, {names}")
    for found in (first, second):
        if missing := _no_results(found):
            return ExampleComparison(pairing, None, missing)
    before, after = _results(first.winner), _results(second.winner)
    both = [(before[one], after[other]) for one, other in pairing.pairs if one in before and other in after]
    test = paired_test([one.score for one, _ in both], [other.score for _, other in both])
    if test is None:
        return ExampleComparison(pairing, None, pairing.difference or "the winners were scored on different examples")
    gained = [pair for pair in both if pair[1].score > pair[0].score]
    lost = [pair for pair in both if pair[1].score < pair[0].score]
    return ExampleComparison(pairing, test, None, _flips(first, gained), _flips(first, lost))


def _no_results(found: Compile) -> str | None:
    """Return why a run has no results by example of its winner; None if it has."""
    if found.winner is None:
        return f"run {found.run_id} has no trial with the returned program"
    if found.winner.has_no_finite_score:
        return f"the score of the winner of run {found.run_id} is not a finite number"
    if not found.winner.results:
        return (
            f"run {found.run_id} has no results by example of its winner: record the optimization with "
            "capture_content=True, and score its program on a validation set"
        )
    return None


def _results(winner: Trial | None) -> dict[str, ExampleResult]:
    return {} if winner is None else {result.example: result for result in winner.results}


def _flips(first: Compile, pairs: Sequence[tuple[ExampleResult, ExampleResult]]) -> tuple[Flip, ...]:
    examples = {example.id: example for example in first.examples}
    return tuple(
        Flip(
            before.example,
            example_text(examples[before.example], MAX_TEXT),
            fields_text(examples[before.example].labels, MAX_TEXT),
            before.error or fields_text(before.prediction, MAX_TEXT),
            after.error or fields_text(after.prediction, MAX_TEXT),
            before.score,
            after.score,
        )
        for before, after in pairs[:MAX_FLIPS]
    )
