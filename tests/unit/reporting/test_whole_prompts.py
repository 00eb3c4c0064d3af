from __future__ import annotations

import json

from otel_dspy.reporting.compile_result import Predictor
from otel_dspy.reporting.report import Report
from otel_dspy.reporting.sections.prompts.whole_prompts import WholePrompt, WholeText, whole_prompts
from tests.unit.reporting.optimizations import optimization

DEMOS = ({"augmented": True, "question": "1 < 2?", "answer": ["yes", 1]}, {"question": "3?", "answer": "no"})


def test_instructions_and_demos() -> None:
    """Start and winner by predictor; a demo has its fields but not DSPy's own mark; other values are JSON."""
    found = optimization(
        initial_program=(Predictor("a", "Old.\nTwo lines."), Predictor("gone", "Gone.")),
        best_program=(Predictor("a", "New.", DEMOS), Predictor("added", "Added.")),
    )
    winner = 'New.\n\nDemo 1\nquestion: 1 < 2?\nanswer: ["yes", 1]\n\nDemo 2\nquestion: 3?\nanswer: no'
    assert whole_prompts(found) == (
        WholePrompt("a", WholeText("Old.\nTwo lines.", 0), WholeText(winner, 0)),
        WholePrompt("gone", WholeText("Gone.", 0), None),
        WholePrompt("added", None, WholeText("Added.", 0)),
    )
    report = Report(found)
    assert "<details><summary>Both prompts as a whole</summary>" in report.html
    assert '<h3>a, start</h3>\n<div class="text">Old.\nTwo lines.</div>\n<h3>a, winner</h3>' in report.html
    assert "question: 1 &lt; 2?" in report.html
    assert json.loads(report.json)["programs"] == {
        "start": {
            "a": {"instructions": "Old.\nTwo lines.", "demos": []},
            "gone": {"instructions": "Gone.", "demos": []},
        },
        "winner": {
            "a": {"instructions": "New.", "demos": [dict(demo) for demo in DEMOS]},
            "added": {"instructions": "Added.", "demos": []},
        },
    }


def test_the_longest_texts_are_cut() -> None:
    """Short texts are kept whole; what they leave is shared by the others."""
    found = optimization(
        initial_program=(Predictor("a", "a" * 10), Predictor("b", "b" * 50)), best_program=(Predictor("a", "c" * 100),)
    )
    assert whole_prompts(found, max_characters=90) == (
        WholePrompt("a", WholeText("a" * 10, 0), WholeText("c" * 40, 60)),
        WholePrompt("b", WholeText("b" * 40, 10), None),
    )
    assert "left out" not in Report(found).html


def test_programs_that_are_not_recorded() -> None:
    """There is nothing to show."""
    assert whole_prompts(optimization()) == ()
    assert whole_prompts(optimization(best_program=(Predictor("a", "New."),))) == ()
    assert "Both prompts" not in Report(optimization(best_program=(Predictor("a", "New."),))).html
