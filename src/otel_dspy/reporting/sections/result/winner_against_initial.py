"""Comparison of the start with the winner, example by example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_dspy.reporting.statistics.significance import paired_test

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Compile
    from otel_dspy.reporting.statistics.significance import PairedTest


@dataclass(frozen=True)
class Comparison:
    """The examples that both trials scored; ids are `Example.id`."""

    test: PairedTest
    gained: tuple[str, ...]
    lost: tuple[str, ...]


def start_and_winner(found: Compile) -> Comparison | None:
    """Compare the winner with the start; None if they are the same trial or have no example in common."""
    start, winner = found.start, found.winner
    if start is None or winner is None or start.row.index == winner.row.index:
        return None
    before, after = start.scores, winner.scores
    both = [example for example in before if example in after]
    test = paired_test([before[example] for example in both], [after[example] for example in both])
    if test is None:
        return None
    return Comparison(
        test,
        gained=tuple(example for example in both if after[example] > before[example]),
        lost=tuple(example for example in both if after[example] < before[example]),
    )
