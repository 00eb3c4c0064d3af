"""JSON that a limit on the length of attributes has cut: it is left out, and logged."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from otel_dspy.mlflow.mapping.operations import KeepProgram
from otel_dspy.mlflow.records import incomplete_json_warning
from otel_dspy.mlflow.records.decode import record_of
from otel_dspy.mlflow.records.incomplete_json_warning import IncompleteJsonWarning, is_incomplete
from tests.support.mapped_spans import CID, IDENTITY, operations_of, span

STATE: Final = json.dumps({"self": {"demos": [{"answer": "4"}], "signature": {"instructions": "Add."}}})
ROWS: Final = json.dumps([{"index": 0, "score": 1.0}, {"index": 1, "score": 0.0}])
CASES: Final[list[tuple[str, str, dict[str, Any], str]]] = [
    ("setup", "dspy.program.state", IDENTITY, STATE),
    ("compile", "dspy.program.state", IDENTITY, STATE),
    ("trial", "dspy.program.state", {"dspy.compile.id": CID, "dspy.trial.index": 0}, STATE),
    ("trial", "dspy.trial.candidate", {"dspy.compile.id": CID, "dspy.trial.index": 0}, STATE),
    ("trial", "dspy.trial.scores", {"dspy.compile.id": CID, "dspy.trial.index": 0}, ROWS),
    ("trial", "dspy.trial.pareto.front", {"dspy.compile.id": CID, "dspy.trial.index": 0}, ROWS),
    ("evaluate", "dspy.program.state", {}, STATE),
    ("evaluate", "dspy.evaluate.results", {}, ROWS),
    ("dataset", "dspy.dataset.rows", {"dspy.dataset.role": "train", "dspy.dataset.id": "d"}, ROWS),
]
FIELDS: Final = {"dspy.trial.pareto.front": "pareto_front"}


@pytest.fixture(autouse=True)
def _no_earlier_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has the warnings of a new process."""
    monkeypatch.setattr(incomplete_json_warning, "WARNING", IncompleteJsonWarning())


def _read(operation: str, name: str, given: dict[str, Any], text: str) -> object:
    field = FIELDS.get(name, name.rpartition(".")[2])
    record = record_of(span(operation, {**given, name: text}))
    return getattr(record, "program_state" if name == "dspy.program.state" else field)


@pytest.mark.parametrize(("operation", "name", "given", "text"), CASES)
def test_a_cut_text_counts_as_absent(
    operation: str, name: str, given: dict[str, Any], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One line names the attribute and what to do; a whole text is read and not logged."""
    assert _read(operation, name, given, text) == text
    assert not caplog.records
    for length in (30, len(text) - 1):
        assert _read(operation, name, given, text[:length]) is None
    (line,) = [one.getMessage() for one in caplog.records]
    assert line.startswith(f"The attribute {name!r} of the span ")
    assert " is cut to 30 characters: it is left out" in line
    assert "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT" in line


def test_a_program_that_is_cut_is_not_kept() -> None:
    """Neither a `model.json` that no program can load is written from it, nor a comparison."""
    given: dict[str, Any] = {
        "dspy__compile__id": CID,
        "dspy__optimizer__name": "GEPA",
        "dspy__trial__index": 1,
        "dspy__program__id": "p",
    }
    assert any(isinstance(one, KeepProgram) for one in operations_of("trial", **given, dspy__program__state=STATE))
    cut = operations_of("trial", **given, dspy__program__state=STATE[:40])
    assert not any(isinstance(one, KeepProgram) for one in cut)


@pytest.mark.parametrize(("operation", "name", "given", "_text"), CASES)
@pytest.mark.parametrize("text", ["[" * 5000, "[" * 5000 + "]" * 5000], ids=["cut", "whole"])
def test_a_text_that_is_nested_too_deeply_to_be_parsed(
    operation: str, name: str, given: dict[str, Any], _text: str, text: str
) -> None:
    """It is read as it is: whether it is cut is unknown, and the rest of the record is not lost."""
    assert _read(operation, name, given, text) == text


@pytest.mark.parametrize(
    "text", ["", "[redacted]", "text", "{braces}", "{}", "[]", "[1, 2]", '{"a": null}', "[not json"]
)
def test_texts_that_are_no_cut_json(text: str) -> None:
    """Such as those that a redactor has set."""
    assert not is_incomplete(text)


@pytest.mark.parametrize("text", ['{"', '{"a": [', '[{"a": 1}', '["a', "[1, 2", "[[", '[{"a": 1}] ,'])
def test_texts_that_are(text: str) -> None:
    """Wherever they are cut."""
    assert is_incomplete(text)
