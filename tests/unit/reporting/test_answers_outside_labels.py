from __future__ import annotations

import json

import pytest

from otel_dspy.reporting.report import Report
from otel_dspy.reporting.sections.answers_outside_labels import AnswersOutsideLabels, Outside, answers_outside_labels
from otel_dspy.reporting.sections.result.verdict import verdict
from tests.unit.reporting.optimizations import optimization, trial

LABELS = ("yes", "no", "yes", "no")


def test_answers_outside_of_the_labels() -> None:
    """Start and winner are counted, other trials are not; case and spaces do not matter; failures have no answer."""
    found = optimization(
        trial(0, "0x00", answers=["perhaps", "", "unknown", "no"]),
        trial(1, "1111", answers=["all", "are", "outside", "here"]),
        trial(2, "1110", answers=["Yes", " no", "yes", "not at all"]),
        best=2,
        labels=LABELS,
    )
    assert answers_outside_labels(found) == (AnswersOutsideLabels("answer", 2, Outside(0, 2, 3), Outside(2, 1, 4)),)
    assert verdict(found).warnings[-1] == (
        "In 1 of 4 examples the winner returns a value of answer that is none of its 2 labels (start: 2 of 3)."
    )
    report = Report(found)
    assert "Values of answer that are none of its 2 labels: start 2 of 3, winner 1 of 4." in report.html
    [one] = json.loads(report.json)["off_label"]
    assert (one["start"]["answers"], one["winner"]["answers"]) == (2, 1)


def test_a_winner_that_gives_labels_only() -> None:
    """The section has the start's answers, and the verdict no warning."""
    found = optimization(trial(0, "0000", answers=["?"] * 4), trial(1, "1111", answers=LABELS), best=1, labels=LABELS)
    assert answers_outside_labels(found) == (AnswersOutsideLabels("answer", 2, Outside(0, 4, 4), Outside(1, 0, 4)),)
    assert not any("none of the" in warning for warning in verdict(found).warnings)


def test_a_metric_that_accepts_other_answers() -> None:
    """A right answer that is none of the labels: the labels are no classes."""
    answers = ["yes, certainly", "no", "yes", "perhaps"]
    found = optimization(trial(0, "0000"), trial(1, "1110", answers=answers), best=1, labels=LABELS)
    assert answers_outside_labels(found) == ()


@pytest.mark.parametrize(
    "labels",
    [
        [f"text {number}" for number in range(8)],
        ["yes"] * 8,
        [f"class {number % 13}" for number in range(26)],
        ["a", "b", "c", "a", "d"],
    ],
    ids=["free text", "one label", "more than 12 labels", "labels that hardly repeat"],
)
def test_labels_that_are_no_classes(labels: list[str]) -> None:
    """Answers are not expected to be one of them."""
    answers = ["other"] * len(labels)
    found = optimization(trial(0, "0" * len(labels), answers=answers), best=0, labels=labels)
    assert answers_outside_labels(found) == ()


def test_the_start_won() -> None:
    """The same trial is not named twice."""
    found = optimization(trial(0, "1110", answers=["yes", "no", "yes", "?"]), best=0, labels=LABELS)
    assert verdict(found).warnings == (
        "In 1 of 4 examples the winner returns a value of answer that is none of its 2 labels.",
    )
