from __future__ import annotations

import pytest
from inline_snapshot import snapshot

from otel_dspy.reporting.compile_result import Predictor
from otel_dspy.reporting.report import Report
from otel_dspy.reporting.sections.prompts.unusable_instructions import is_unusable
from otel_dspy.reporting.sections.result.verdict import verdict
from tests.unit.reporting.optimizations import optimization, trial


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n",
        '""',
        "[## task_demos ## ]",
        "[[ ## proposed_instruction ## ]]",
        "[[ ## proposed_instruction ## ]]\n[[ ## completed ## ]]\n",
        "[[##completed##]]",
        "[ [ ## completed ## ] ]",
        "`[[ ## completed ## ]]`",
    ],
)
def test_no_instruction(text: str) -> None:
    """Nothing at all, and markers of the chat template: one or several, quoted, with a bracket or a space missing."""
    assert is_unusable(text)


@pytest.mark.parametrize(
    "text",
    [
        "Answer the question.",
        "[[ ## answer ## ]] is the field to fill in.",
        "Fill in [[ ## answer ## ]].",
        "[[ ## instruction ## ]]\nAnswer the question.\n[[ ## completed ## ]]",
        "## Task ##",
        "# Task",
        "[[answer]]",
        "[1] Answer. ## Then stop ##",
        "[## a ## ] [b]",
        "...",
    ],
)
def test_an_instruction(text: str) -> None:
    """Any other text, with markers in it, with headings or brackets of its own, or as short as it may be."""
    assert not is_unusable(text)


def test_the_verdict_warns_of_the_winners_instructions() -> None:
    """By predictor, from the program that the optimizer returned; that of the start and of other trials is not named."""
    marker = (Predictor("classify", "[## task_demos ## ]"), Predictor("answer", " "), Predictor("judge", "Judge."))
    good = (Predictor("classify", "Classify."),)
    won = optimization(
        trial(0, "0011", program=marker),
        trial(1, "0111", program=marker),
        best=1,
        labels=("a",) * 4,
        best_program=marker,
    )
    assert verdict(won).warnings[1:] == snapshot(
        (
            """\
The winner's instruction of predictor classify is nothing but "[## task_demos ## ]", a marker of DSPy's chat template: \
the model that proposes instructions repeated it.\
""",
            "The winner's instruction of predictor answer is empty.",
        )
    )
    assert "is nothing but &#34;[## task_demos ## ]&#34;" in Report(won).html
    lost = optimization(
        trial(0, "0011", program=marker), trial(1, "0111"), best=1, labels=("a",) * 4, best_program=good
    )
    assert verdict(lost).warnings[1:] == ()


def test_a_running_optimization() -> None:
    """Its winner so far is judged by the program of the trial."""
    found = optimization(
        trial(0, "0011", program=(Predictor("classify", ""),)), best=0, labels=("a",) * 4, status="RUNNING"
    )
    assert verdict(found).warnings == ("The winner's instruction of predictor classify is empty.",)
