"""Instructions of a trial that runs again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest

from otel_dspy.rerun.errors import RerunError
from otel_dspy.rerun.recorded_trial import RecordedTrial
from otel_dspy.rerun.trial_changes import Change, examples_in

if TYPE_CHECKING:
    from pathlib import Path

_TRIAL = RecordedTrial(cast("Any", None), (), frozenset())
"""Its row is not read."""


def applied(*instructions: str) -> dict[str, str]:
    """Return the instructions of each predictor after the change."""
    changed: Any = dspy.Predict("question -> answer")
    Change(instructions).apply(changed, trial=_TRIAL)
    return {name: predictor.signature.instructions for name, predictor in changed.named_predictors()}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("Add.", "Add."),
        ("self=Add.", "Add."),
        ("Answer x = 1 as 1.", "Answer x = 1 as 1."),
        ("self=x=1", "x=1"),
    ],
)
def test_the_only_predictor(given: str, text: str) -> None:
    """Its name may be omitted, and an instruction may contain an equals sign."""
    assert applied(given) == {"self": text}


@pytest.mark.parametrize("name", ["selff", "steps[0].predict"])
def test_an_unknown_predictor(name: str) -> None:
    """A misspelled name does not become a part of the instruction."""
    with pytest.raises(RerunError) as raised:
        applied(f"{name}=Add.")
    assert str(raised.value) == (
        f"The program has no predictor {name}; it has self. If the instruction begins with '{name}=', "
        f"write --instruction self={name}=…"
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", '{"q": "a\u2028b\x85c"}\n{"q": "d"}\n'),
        ("a.jsonl", '\ufeff{"q": "a\u2028b\x85c"}\r\n  \r\n{"q": "d"}'),
        ("a.json", '\ufeff[{"q": "a\u2028b\x85c"},\n{"q": "d"}]'),
    ],
)
def test_examples_of_a_file(name: str, content: str, tmp_path: Path) -> None:
    """Texts may have line separators of Unicode; a byte order mark and blank lines are none of them."""
    file = tmp_path / name
    file.write_bytes(content.encode())
    assert examples_in(file) == [{"q": "a\u2028b\x85c"}, {"q": "d"}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "", "is not JSON: "),
        ("a.json", '{"q": 1}', "has no examples: a JSON list of objects, or an object a line"),
        ("a.jsonl", "", "has no examples: a JSON list of objects, or an object a line"),
        ("a.jsonl", "[1]", "has no examples: a JSON list of objects, or an object a line"),
        ("a.jsonl", "{", "is not JSON: "),
        ("a.jsonl", "[" * 100_000, r"is nested too deeply to be parsed\."),
        ("b.jsonl", None, "cannot be read: No such file"),
    ],
)
def test_no_examples(name: str, content: str | None, message: str, tmp_path: Path) -> None:
    """The message names the file and the reason."""
    file = tmp_path / name
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(RerunError, match=message) as raised:
        examples_in(file)
    assert str(raised.value).startswith(str(file))
