"""`changes.md`, whole, of programs of every shape."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_dspy.mlflow.mapping.artifacts.program_changes import MAX_TEXT, changes, parts

EMPTY = "{}"


def _program(instructions: str = "", **more: Any) -> str:
    return json.dumps({"p": {"signature": {"instructions": instructions, "fields": []}, "demos": [], **more}})


def test_the_initial_program_is_named_once() -> None:
    """Where it is a parent too, its section names both; further parents have sections of their own."""
    text = changes("Trial 1", ("c", EMPTY), ("i", EMPTY), [("p", EMPTY), ("i", EMPTY), ("q", EMPTY)])
    assert text == (
        "# Trial 1\n\nProgram c\n\n"
        "## Changes since the initial program, its parent (i)\n\nNone: it is the same program.\n\n"
        "## Changes since its parent (p)\n\nNone: it is the same program.\n\n"
        "## Changes since its parent (q)\n\nNone: it is the same program.\n\n"
        "## Its texts\n"
    )


def test_a_program_with_the_same_id_is_not_compared() -> None:
    """The id is the digest of the content: the order of a state's keys is no change."""
    text = changes("Trial 1", ("c", _program("new")), ("c", _program("old")))
    assert "## Changes since the initial program (c)\n\nNone: it is the same program.\n\n" in text


def test_predictors_that_come_and_go() -> None:
    """A predictor that only one of the programs has is a change of all its texts."""
    text = changes("Trial 1", ("c", _program("new\nlines")), ("i", json.dumps({"old": {"prompt": "text"}})))
    assert text == (
        "# Trial 1\n\nProgram c\n\n"
        "## Changes since the initial program (i)\n\n"
        "### old: prompt\n\n```diff\n@@ -1 +0,0 @@\n-text\n```\n\n"
        "### p: instructions\n\n```diff\n@@ -0,0 +1,2 @@\n+new\n+lines\n```\n\n"
        "## Its texts\n\n"
        "### p: instructions\n\n```text\nnew\nlines\n```\n"
    )


def test_two_lines_around_a_change_are_shown() -> None:
    """As context, and no more of a long text."""
    lines = [f"line {number}" for number in range(9)]
    changed = [*lines[:4], "changed", *lines[5:]]
    text = changes("Trial 1", ("c", _program("\n".join(changed))), ("i", _program("\n".join(lines))))
    assert (
        "```diff\n@@ -3,5 +3,5 @@\n line 2\n line 3\n-line 4\n+changed\n line 5\n line 6\n```\n\n" in text
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("[cut", {}),
        ("[1]", {}),
        ("[" * 100_000, {}),
        ("{}", {}),
        ({"metadata": {"dependency_versions": {"dspy": "3"}}}, {}),
        ({"a": {"metadata": {"note": "mine"}}}, {"a.metadata": {"note": ["mine"]}}),
        ({"k": 3, "lm": "gpt", "traces": [1], "train": [2]}, {"self": {"k": ["3"]}}),
        ({"a": {"b": {"k": "x\ny"}}}, {"a.b": {"k": ["x", "y"]}}),
        ({"a": {"k": 1, "b": {"k": 2}}}, {"a": {"k": ["1"]}, "a.b": {"k": ["2"]}}),
        ({"signature": {}, "demos": []}, {"self": {"instructions": [], "field descriptions": [], "demos": []}}),
        ({"a": {"signature": {}, "demos": {}}}, {"a.signature": {}, "a.demos": {}}),
        ({"a": {"signature": "q -> a", "demos": []}}, {"a": {"signature": ["q -> a"], "demos": ["[]"]}}),
    ],
)
def test_predictors_of_a_state(state: Any, expected: dict[str, Any]) -> None:
    """By their paths, in any nesting; what the optimizer did not choose is left out."""
    text = state if isinstance(state, str) else json.dumps(state)
    assert parts(text) == {path: found for path, found in expected.items() if found}


def test_texts_of_a_predictor() -> None:
    """Instructions, descriptions of its fields, demos and whatever else its state has; models and traces are none."""
    state: dict[str, Any] = {
        "signature": {
            "instructions": "Add.\nAnswer.",
            "fields": [
                {"prefix": "Question:", "description": "a sum\nof two"},
                {"prefix": "Hint:"},
                {"description": "the sum"},
                {},
                "free text",
            ],
        },
        "demos": [
            {"question": "1+1", "steps": ["a", "ü"], "answer": {"value": 2, "unit": None}, "note": "x\ny", "empty": ""},
            "a text",
            7,
        ],
        "lm": {"model": "gpt"},
        "traces": [1],
        "train": [2],
        "rules": {"first": "be brief"},
    }
    assert parts(json.dumps({"p": state})) == {
        "p": {
            "instructions": ["Add.", "Answer."],
            "field descriptions": ["Question: a sum", "of two", "Hint: ", " the sum", " ", "free text"],
            "demos": [
                "demo 1",
                "  question: 1+1",
                '  steps: ["a", "ü"]',
                "  answer:",
                "    value: 2",
                "    unit: null",
                "  note:",
                "    x",
                "    y",
                "  empty:",
                "demo 2",
                "  a text",
                "demo 3",
                "  7",
            ],
            "rules": ["first: be brief"],
        }
    }
    state["signature"] = {"instructions": None, "fields": {"a": 1}}
    assert parts(json.dumps({"p": state}))["p"]["instructions"] == []
    assert parts(json.dumps({"p": state}))["p"]["field descriptions"] == []


def test_a_long_line_is_wrapped() -> None:
    """MLflow's page would cut it off. Each line of a wrapped change has its sign; a word is never broken."""
    long = "Answer in one word. " * 6 + "x" * 120
    text = changes("Trial 1", ("c", _program(long)), ("i", _program("Answer.")))
    wrapped = ["Answer in one word. " * 4 + "Answer in one word.", "    Answer in one word.", f"    {'x' * 120}"]
    assert "\n".join(["-Answer.", *[f"+{line}" for line in wrapped]]) in text
    assert text.endswith("\n".join(["```text", *wrapped, "```\n"]))


@pytest.mark.parametrize(("number", "more"), [(1, "1 more line"), (2, "2 more lines")])
def test_lines_that_are_left_out_are_counted(number: int, more: str) -> None:
    """In the singular, too."""
    text = changes("Trial 1", ("c", _program("\n".join(["y"] * (400 + number)))), ("c", EMPTY))
    assert text.endswith(f"y\n… {more}\n```\n")


def test_bounds_of_what_is_shown() -> None:
    """500 characters of a line and 400 lines of a part; what is longer ends with what is missing."""
    kept = "\n".join(["x" * 500, *["x"] * 399])
    assert changes("Trial 1", ("c", _program(kept)), ("c", EMPTY)).endswith(f"```text\n{kept}\n```\n")
    longer = "\n".join(["y" * 501, *["y"] * 401])
    shown = "\n".join(["y" * 500 + "… (501 characters)", *["y"] * 399])
    text = changes("Trial 1", ("c", _program(longer)), ("c", EMPTY))
    assert text.endswith(f"```text\n{shown}\n… 2 more lines\n```\n")


@pytest.mark.parametrize(
    ("instructions", "fence"),
    [("a", "```"), ("`a` ``", "```"), ("```", "````"), ("x\n`````\n``` `", "``````")],
)
def test_a_fence_is_longer_than_any_in_the_text(instructions: str, fence: str) -> None:
    """Else the text would end it."""
    text = changes("Trial 1", ("c", _program(instructions)), ("i", EMPTY))
    assert text.endswith(f"{fence}text\n{instructions}\n{fence}\n")


def test_the_end_of_a_text_that_is_too_long() -> None:
    """Exactly as many characters as allowed, the last ones say where the rest is."""
    demos = [{"q": "x" * 490} for _ in range(400)]
    text = changes("Trial 1", ("c", _program(demos=demos)), ("i", EMPTY))
    assert len(text) == MAX_TEXT
    assert text.endswith("\n\n… cut here: the complete programs are in model.json and initial_model.json.\n")
    assert text.startswith("# Trial 1\n")


def test_a_text_that_is_just_short_enough() -> None:
    """It is whole; with one character more it is cut."""
    lines = "\n".join(["x" * 400] * 399)
    missing = MAX_TEXT - len(
        changes("Trial 1", ("c", _program(lines, rules="\n".join(["y" * 380] * 100))), ("c", EMPTY))
    )
    assert missing > 0
    rules = ["y" * 380] * 100
    for number in range(missing):
        rules[number % 100] += "y"
    whole = changes("Trial 1", ("c", _program(lines, rules="\n".join(rules))), ("c", EMPTY))
    assert len(whole) == MAX_TEXT
    assert whole.endswith("y\n```\n")
    rules[0] += "y"
    assert "… cut here" in changes("Trial 1", ("c", _program(lines, rules="\n".join(rules))), ("c", EMPTY))


def test_which_lines_are_compared() -> None:
    """The first 2,000: a change in the last of them is shown, one in the next is named."""
    lines = [f"line {number}" for number in range(2_001)]

    def since(index: int) -> str:
        changed = [*lines[:index], "changed", *lines[index + 1 :]]
        return changes("Trial 1", ("c", _program("\n".join(changed))), ("i", _program("\n".join(lines))))

    assert "\n-line 1999\n+changed\n```\n" in since(1_999)
    assert "```diff\n(the difference lies beyond line 2000)\n```\n" in since(2_000)
