"""Comparison of several runs: the first one with each of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_dspy.formatting.trial_values import error_text
from otel_dspy.reporting.comparison.comparison_verdict import outcome, sentence
from otel_dspy.reporting.comparison.parameters import differing_parameters
from otel_dspy.reporting.comparison.run_figures import run_figures, run_name
from otel_dspy.reporting.comparison.winner_comparison import compare_examples
from otel_dspy.reporting.sections.prompts.prompt_diff import program_diff
from otel_dspy.reporting.statistics.significance import SIGNIFICANT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_dspy.reporting.comparison.comparison_verdict import Outcome
    from otel_dspy.reporting.comparison.parameters import ParameterRow
    from otel_dspy.reporting.comparison.run_figures import RunFigures
    from otel_dspy.reporting.comparison.winner_comparison import ExampleComparison
    from otel_dspy.reporting.compile_result import Compile
    from otel_dspy.reporting.sections.prompts.prompt_diff import PredictorDiff


@dataclass(frozen=True)
class RunPair:
    """A run against the first one."""

    first: str
    """Name of the first run."""
    second: str
    outcome: Outcome
    verdict: str
    examples: ExampleComparison
    prompt: tuple[PredictorDiff, ...]
    """Changes from the first run's best program to the second's; empty if one of them is not recorded."""


@dataclass(frozen=True)
class RunsComparison:
    """Several runs, in the order in which they were named."""

    runs: tuple[RunFigures, ...]
    pairs: tuple[RunPair, ...]
    parameters: tuple[ParameterRow, ...]
    warnings: tuple[str, ...]


def compare_runs(runs: Sequence[Compile]) -> RunsComparison:
    """Compare the first run with each of the others.

    Args:
        runs: two optimizations or more.
    """
    first, *others = runs
    pairs = tuple(_pair(first, other) for other in others)
    return RunsComparison(
        tuple(run_figures(found) for found in runs),
        pairs,
        differing_parameters(runs),
        tuple(_warnings(runs, pairs)),
    )


def _pair(first: Compile, second: Compile) -> RunPair:
    compared = compare_examples(first, second)
    return RunPair(
        run_name(first),
        run_name(second),
        outcome(compared),
        sentence(first, second, compared),
        compared,
        program_diff(first.winning_program, second.winning_program),
    )


def _warnings(runs: Sequence[Compile], pairs: Sequence[RunPair]) -> Iterator[str]:
    for found in runs:
        if found.status == "RUNNING":
            yield f"{run_name(found)} is running: its winner is the best trial so far."
        elif found.error is not None:
            yield f"{run_name(found)} failed ({error_text(found.error)}): its winner is the best trial until then."
        if found.winner is not None and not (found.winner.is_full or found.winner.has_no_finite_score):
            yield f"The winner of {run_name(found)} was not scored on the whole {found.scored_set}."
    for pair in pairs:
        if pair.examples.test is not None and pair.examples.pairing.difference is not None:
            yield f"{pair.second} and {pair.first}: {pair.examples.pairing.difference}."
    if len(pairs) > 1:
        yield (
            f"{len(pairs)} runs are compared with the first one, and the p-values are not adjusted for that: "
            f"a difference is more than chance below {SIGNIFICANT / len(pairs):.2g}, not {SIGNIFICANT}."
        )
