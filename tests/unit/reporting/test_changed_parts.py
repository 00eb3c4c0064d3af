from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from otel_dspy.reporting.compile_result import Predictor
from otel_dspy.reporting.report import Report
from otel_dspy.reporting.sections.prompts.changed_parts import ChangedParts, PartAlone, changed_parts
from tests.unit.reporting.optimizations import optimization, trial

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Compile, Trial

DEMOS = ({"question": "1", "answer": "yes"},)
START = (Predictor("classify", "Old."),)
BOTH = (Predictor("classify", "New.", DEMOS),)
NEW_INSTRUCTION = (Predictor("classify", "New."),)
NEW_DEMOS = (Predictor("classify", "Old.", DEMOS),)


def found_of(*further: Trial, best_program: tuple[Predictor, ...] = BOTH, **facts: Any) -> Compile:
    """Make an optimization whose second trial won, with further trials."""
    return optimization(
        trial(0, "0001", program=START),
        trial(1, "1111", program=best_program),
        *further,
        best=1,
        labels=("yes", "no") * 2,
        initial_program=START,
        best_program=best_program,
        **facts,
    )


def test_no_trial_has_one_part_alone() -> None:
    """It is stated under the reasons why the winner won; another instruction without demos is no evidence."""
    found = found_of(trial(2, "0111", program=(Predictor("classify", "Other."),)))
    text = (
        "The winner changed both instructions and demos. No trial changed the instructions alone, and none the demos "
        "alone, to those of the winner: what each contributed is not known."
    )
    nothing = (PartAlone("instructions", None, None, None, 0), PartAlone("demos", None, None, None, 0))
    assert changed_parts(found) == ChangedParts(text, *nothing)
    report = Report(found)
    assert f"Why this one won</h2>\n<p>{text}</p>" in report.html
    assert json.loads(report.json)["changed_parts"]["text"] == text


def test_trials_with_one_part_alone() -> None:
    """Score, number of examples and scope of the best known trial: a full evaluation rather than a minibatch."""
    found = found_of(
        trial(2, "11..", program=NEW_INSTRUCTION),
        trial(3, "0111", program=NEW_INSTRUCTION),
        trial(4, "1.0.", program=NEW_DEMOS),
        trial(5, "", program=NEW_DEMOS, state="fail"),
    )
    parts = changed_parts(found)
    assert parts is not None
    assert parts.instructions == PartAlone("instructions", 3, 75.0, "full", 4)
    assert parts.demos == PartAlone("demos", 4, 50.0, "minibatch", 2)
    assert parts.text == (
        "The winner changed both instructions and demos. Trial 3 has its instructions alone: 75.0 % of 4 examples. "
        "Trial 4 has its demos alone: 50.0 % of 2 examples, a minibatch."
    )


def test_one_of_the_two_is_known() -> None:
    """The other one has a sentence as well."""
    parts = changed_parts(found_of(trial(2, "0011", program=NEW_DEMOS)))
    assert parts is not None
    assert parts.text == (
        "The winner changed both instructions and demos. No trial has its instructions alone. Trial 2 has its demos "
        "alone: 50.0 % of 4 examples."
    )


def test_nothing_to_separate() -> None:
    """The winner changed one part, nothing, or its program is not recorded."""
    for program in (START, NEW_INSTRUCTION, NEW_DEMOS, ()):
        assert changed_parts(found_of(best_program=program)) is None
    assert changed_parts(optimization(trial(0, "01"), best=0, labels=("a", "b"), best_program=BOTH)) is None
