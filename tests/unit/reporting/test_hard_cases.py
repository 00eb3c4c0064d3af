"""Limits of the examples that no trial solved; which these are is in `test_sections.py`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from otel_dspy.reporting.compile_result import Example, ExampleResult
from otel_dspy.reporting.sections.hard_cases import Answer, hard_cases
from tests.unit.reporting.optimizations import optimization, trial

if TYPE_CHECKING:
    from otel_dspy.reporting.sections.hard_cases import HardCases


def _unsolved(examples: int, answers: list[str], question: str = "?", label: str = "yes") -> HardCases:
    """An optimization in which no trial solves any of the examples; each trial gives one answer to all."""
    found = optimization(
        *(
            replace(
                trial(index, "0" * examples),
                results=tuple(ExampleResult(str(number), 0.0, {"answer": answer}) for number in range(examples)),
            )
            for index, answer in enumerate(answers)
        ),
        examples=tuple(Example(str(number), {"question": question}, {"answer": label}) for number in range(examples)),
    )
    result = hard_cases(found)
    assert result is not None
    return result


def test_the_first_ten_are_shown_and_the_first_five_named() -> None:
    """The number of all of them stays."""
    result = _unsolved(12, ["no"])
    assert [case.example for case in result.cases] == [str(number) for number in range(10)]
    assert result.text == "Never solved: 12 of 12 scored examples (0, 1, 2, 3, 4, …)."
    assert _unsolved(5, ["no"]).text == "Never solved: 5 of 5 scored examples (0, 1, 2, 3, 4)."


def test_the_five_most_frequent_answers_are_shown() -> None:
    """Of answers that are as frequent the first ones."""
    [case] = _unsolved(1, ["a", "b", "c", "d", "e", "f", "f"]).cases
    assert case.answers == (Answer("f", 2), *(Answer(text, 1) for text in "abcd"))
    assert case.trials == 7


def test_long_texts_are_cut() -> None:
    """An example at 400 characters, answers and labels at 120."""
    [case] = _unsolved(1, ["a" * 121], question="q" * 401, label="l" * 121).cases
    assert case.text == f"{'q' * 399}…"
    assert case.answers == (Answer(f"{'a' * 119}…", 1),)
    assert case.label == f"{'l' * 119}…"
    [case] = _unsolved(1, ["a" * 120], question="q" * 400, label="l" * 120).cases
    assert (case.text, case.answers[0].text, case.label) == ("q" * 400, "a" * 120, "l" * 120)
