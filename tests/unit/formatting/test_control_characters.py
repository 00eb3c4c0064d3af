"""Control characters in texts of errors, models and programs do not reach terminals and descriptions."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from otel_dspy import cli
from otel_dspy.formatting.control_characters import without_control_characters
from otel_dspy.formatting.trial_values import error_text, failure_text, reason_text
from otel_dspy.reporting.commands import report_command
from otel_dspy.reporting.gating.checks import Limits, checked
from tests.unit.reporting.test_gate import HIGH, run

COLORED = "\x1b[0m\x1b[1;31merror\x1b[0m: no module\r\nat \x1b]8;;http://h\x07x\x1b]8;;\x1b\\"
"""As Deno writes to its standard error, which DSPy's interpreter raises as the message of an exception."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (COLORED, "error: no module\nat x"),
        ("\x1b[2J\x1b[1;1Hcleared", "cleared"),
        ("\x1b]0;a title\x07text\x1b(B\x1bc", "text"),
        ("\x9b31mred\x9d52;c;secret\x9c.", "red."),
        ("bell\x07, back\x08, delete\x7f, null\x00", "bell, back, delete, null"),
        ("a\tb\nc 日本語 é 🙂 [0m \\x1b[0m", "a\tb\nc 日本語 é 🙂 [0m \\x1b[0m"),
        ("ends with \x1b", "ends with "),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    """Sequences as a whole; what only looks like one stays."""
    assert without_control_characters(text) == shown


def test_errors_and_reasons() -> None:
    """In reports, in MLflow's descriptions and in lines of the terminal: the first line that has text."""
    assert failure_text("dspy.CodeInterpreterError", COLORED) == "CodeInterpreterError: error: no module"
    assert error_text(f"dspy.CodeInterpreterError: {COLORED}") == "CodeInterpreterError: error: no module"
    assert error_text(f"\x1b[0m\n{COLORED}") == "error: no module"
    assert reason_text("\x1b[31mworse\x1b[0m") == "worse"


def test_a_gate_prints_one_line() -> None:
    """Whatever the message of the error is."""
    failed = run(HIGH, "a", status="FAILED", error=f"dspy.CodeInterpreterError: {COLORED}")
    result = checked(failed, run(HIGH, "b"), Limits())
    assert result.checks[0].message == "the optimization was not completed (CodeInterpreterError: error: no module)"
    assert "\n" not in result.line


def test_output_of_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Answers of models are in it; a JSON object has them as they are."""
    found = SimpleNamespace(text=COLORED, json=json.dumps({"answer": COLORED}))

    def report(*_args: object, **_kwargs: object) -> SimpleNamespace:
        return found

    monkeypatch.setattr(report_command, "report", report)
    assert cli.main(["report", "latest", "--text"]) == 0
    assert capsys.readouterr().out == "error: no module\nat x\n"
    assert cli.main(["report", "latest", "--json"]) == 0
    assert capsys.readouterr().out == f"{found.json}\n"
