"""The doctor knows every variable of the package, and reports an unknown one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from otel_dspy.diagnosis.checks.misspelled_variables import known, misspelt

ROOT = Path(__file__).resolve().parents[3]
NAME = re.compile(r"OTEL_DSPY_[A-Z_]*[A-Z]\b(?!_)")
NAME_OR_PART = re.compile(r"OTEL_DSPY_[A-Z_]*")
PART = "OTEL_DSPY_BRIDGE"
"""What names begin with, in code and in docs."""


def read_off(*files: Path) -> set[str]:
    """Every whole name in them."""
    return {name for file in files for name in NAME.findall(file.read_text(encoding="utf-8"))} - {PART}


def test_all_variables_are_known() -> None:
    """Each that the source or the docs name; those of settings and of the bridge's flags have no name in the source."""
    doctor = ROOT / "src" / "otel_dspy" / "diagnosis"
    in_source = read_off(*(path for path in (ROOT / "src").rglob("*.py") if doctor not in path.parents))
    assert len(in_source) >= 4
    assert in_source - known() == set()
    assert read_off(ROOT / "README.md", *(ROOT / "docs").rglob("*.md")) - known() == set()
    assert {"OTEL_DSPY_REDACT", "OTEL_DSPY_BRIDGE_PATIENCE", "OTEL_DSPY_BRIDGE_TOKEN"} <= known()


def test_names_are_in_one_module() -> None:
    """A reader finds there where a new one goes; docstrings and help may name variables too."""
    found = {
        path.name
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME_OR_PART.fullmatch(node.value)
    }
    assert found == {"variable_names.py"}


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("OTEL_DSPY_SPOOLDIR", "Did you mean OTEL_DSPY_SPOOL_DIR?"),
        ("OTEL_DSPY_MAX_CONTENT_LENGHT", "Did you mean OTEL_DSPY_MAX_CONTENT_LENGTH?"),
        ("otel_dspy_redact", "Did you mean OTEL_DSPY_REDACT?"),
        ("OTEL_DSPY_CAPTURE_CONTENT", "Use OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"),
        ("OTEL_DSPY_QQQ", "There is no similar variable: remove it"),
    ],
)
def test_an_unknown_variable_is_reported(variable: str, message: str) -> None:
    """With the one that is most like it, and no other is faulted."""
    (finding,) = misspelt({variable: "x", "OTEL_DSPY_TRACE_SHAPE": "nested", "PATH": "/bin"})
    assert finding.text == f"{variable} is not read by otel-dspy. {message}"
