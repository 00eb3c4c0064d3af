"""Answers outside of the labels of a field that has few of them, such as classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.reporting.sections.predictions import value_text

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Compile, ExampleResult, Trial

MAX_LABELS: Final = 12
"""Most distinct labels of a field whose answers are expected to be one of them."""
_REPEATED: Final = 2
"""Least mean number of examples of a label: free text repeats none."""


@dataclass(frozen=True)
class Outside:
    """Answers of one trial outside of the labels."""

    trial: int
    answers: int
    n: int
    """Number of examples with an answer."""


@dataclass(frozen=True)
class AnswersOutsideLabels:
    """Answers outside of the labels of one field; None for a trial that is not known."""

    field: str
    labels: int
    """Number of distinct labels."""
    start: Outside | None
    winner: Outside | None


def answers_outside_labels(found: Compile) -> tuple[AnswersOutsideLabels, ...]:
    """Return the fields for which the start or the winner gave answers that are not among the labels.

    Case and surrounding spaces make no difference. Fields with more than 12 distinct labels, with one only, or with
    labels that do not repeat are left out, and those of which the metric counts another answer as right: their answers
    are not expected to be one of the labels.
    """
    labels: dict[str, list[str]] = {}
    for example in found.examples:
        for field, label in example.labels.items():
            labels.setdefault(field, []).append(_normal(value_text(label)))
    trials = [trial for trial in (found.start, found.winner) if trial is not None]
    highest = max((result.score for trial in trials for result in trial.results), default=0.0)
    result: list[AnswersOutsideLabels] = []
    for field, values in labels.items():
        distinct = set(values)
        if not 2 <= len(distinct) <= MAX_LABELS or len(values) < _REPEATED * len(distinct):  # noqa: PLR2004 - one label separates nothing
            continue
        if any(_accepts_others(trial, field, distinct, highest) for trial in trials):
            continue
        start, winner = (_outside(trial, field, distinct) for trial in (found.start, found.winner))
        if any(one is not None and one.answers for one in (start, winner)):
            result.append(AnswersOutsideLabels(field, len(distinct), start, winner))
    return tuple(result)


def _accepts_others(trial: Trial, field: str, labels: set[str], highest: float) -> bool:
    return any(
        result.score >= highest > 0 and field in result.prediction and _answer(result, field) not in labels
        for result in trial.results
    )


def _outside(trial: Trial | None, field: str, labels: set[str]) -> Outside | None:
    answers = [_answer(result, field) for result in trial.results if field in result.prediction] if trial else []
    if trial is None or not answers:
        return None
    return Outside(trial.row.index, sum(answer not in labels for answer in answers), len(answers))


def _answer(result: ExampleResult, field: str) -> str:
    return _normal(value_text(result.prediction[field]))


def _normal(value: str) -> str:
    return value.strip().casefold()
