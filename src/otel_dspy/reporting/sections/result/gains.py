"""Reasons for the winner's score: the examples that changed, by label, and its confusion of labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.reporting.sections.example_text import answer_text, example_text, fields_text
from otel_dspy.reporting.sections.predictions import labels_and_predictions, value_text
from otel_dspy.reporting.sections.result.winner_against_initial import start_and_winner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_dspy.reporting.compile_result import Compile, Example, Trial

MAX_VALUES: Final = 12
"""Most distinct values of a field that is shown by value."""
MAX_CHANGES: Final = 20
"""Most changed examples of each kind that are shown."""
MAX_TEXT: Final = 160


@dataclass(frozen=True)
class Slice:
    """The examples with one value of a label; means of the metric's values."""

    field: str
    value: str
    n: int
    start: float
    winner: float
    gained: int
    lost: int


@dataclass(frozen=True)
class Confusion:
    """Labels against a trial's predictions of one field, in the order of `values`."""

    field: str
    values: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    """One row for each label, with one count for each prediction."""


@dataclass(frozen=True)
class Change:
    """An example that the start and the winner scored differently."""

    example: str
    text: str
    label: str
    start: str
    winner: str
    feedback: str | None


@dataclass(frozen=True)
class Gains:
    """The differences of the winner from the start."""

    gained: tuple[Change, ...]
    lost: tuple[Change, ...]
    gained_left_out: int
    lost_left_out: int
    slices: tuple[Slice, ...]
    confusions: tuple[Confusion, ...]


def gains(found: Compile) -> Gains | None:
    """Return where the winner differs from the start; None if they cannot be compared."""
    start, winner, comparison = found.start, found.winner, start_and_winner(found)
    if start is None or winner is None or comparison is None:
        return None
    examples = {example.id: example for example in found.examples}

    def changes(ids: Sequence[str]) -> tuple[Change, ...]:
        return tuple(_change(examples[one], start, winner) for one in ids[:MAX_CHANGES])

    return Gains(
        changes(comparison.gained),
        changes(comparison.lost),
        max(0, len(comparison.gained) - MAX_CHANGES),
        max(0, len(comparison.lost) - MAX_CHANGES),
        slices(found, start, winner),
        confusions(found, winner),
    )


def slices(found: Compile, start: Trial, winner: Trial) -> tuple[Slice, ...]:
    """Return the examples that both trials scored, by value of each label with 2 to 12 values.

    Args:
        found: the optimization.
        start: the trial to compare with.
        winner: the trial that is compared.
    """
    before, after = start.scores, winner.scores
    by_value: dict[str, dict[str, list[str]]] = {}
    for example in found.examples:
        if example.id in before and example.id in after:
            for field, label in example.labels.items():
                by_value.setdefault(field, {}).setdefault(value_text(label), []).append(example.id)
    return tuple(
        Slice(
            field,
            value,
            len(ids),
            sum(before[one] for one in ids) / len(ids),
            sum(after[one] for one in ids) / len(ids),
            sum(after[one] > before[one] for one in ids),
            sum(after[one] < before[one] for one in ids),
        )
        for field, values in by_value.items()
        if 2 <= len(values) <= MAX_VALUES  # noqa: PLR2004 - one value separates nothing
        for value, ids in sorted(values.items())
    )


def confusions(found: Compile, trial: Trial) -> tuple[Confusion, ...]:
    """Return labels against predictions of each field with at most 12 distinct values in both.

    Args:
        found: the optimization.
        trial: the trial whose predictions are counted.
    """
    result: list[Confusion] = []
    for field, pairs in labels_and_predictions(found, trial).items():
        values = sorted({value for pair in pairs for value in pair})
        if 2 <= len(values) <= MAX_VALUES:  # noqa: PLR2004 - one value confuses nothing
            counts = Counter(pairs)
            rows = tuple(tuple(counts[label, predicted] for predicted in values) for label in values)
            result.append(Confusion(field, tuple(values), rows))
    return tuple(result)


def _change(example: Example, start: Trial, winner: Trial) -> Change:
    def answer(trial: Trial) -> str:
        result = next(result for result in trial.results if result.example == example.id)
        return answer_text(trial, result, MAX_TEXT)

    feedback = next((result.feedback for result in winner.results if result.example == example.id), None)
    return Change(
        example.id,
        example_text(example, MAX_TEXT),
        fields_text(example.labels, MAX_TEXT),
        answer(start),
        answer(winner),
        feedback,
    )
