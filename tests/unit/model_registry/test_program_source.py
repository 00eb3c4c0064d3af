from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import dspy
import pytest

from otel_dspy.model_registry.errors import RegistryError
from otel_dspy.model_registry.program_source import program_source

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

CODE = """
import dspy

class Answer(dspy.Module):
    def __init__(self):
        super().__init__()
        self.answer = dspy.Predict("question -> answer")

made = Answer()

def number():
    return 7

limit = 7
"""


@pytest.fixture
def file(tmp_path: Path) -> Generator[Path]:
    """A file with a program, which no package has."""
    path = tmp_path / "answers_of_this_test.py"
    path.write_text(CODE, encoding="utf-8")
    yield path
    sys.modules.pop(path.stem, None)


@pytest.mark.parametrize("name", ["Answer", "made"])
def test_a_program_of_a_file(file: Path, name: str) -> None:
    """A class is called; the file belongs to the model."""
    found = program_source(f"{file}:{name}")
    assert [path for path, _ in found.program.named_predictors()] == ["answer"]
    assert found.code_paths == (str(file),)


def test_a_program_of_a_package() -> None:
    """It is imported; no file belongs to the model."""
    found = program_source("otel_dspy.demo.task:SentimentOfTweet")
    assert isinstance(found.program, dspy.Module)
    assert found.code_paths == ()


def test_what_is_no_program(file: Path) -> None:
    """Each has its message."""
    for name, message in (
        ("answers", "names no program: FILE.py:NAME or package.module:NAME"),
        (f"{file}:none", "cannot be made: AttributeError"),
        (f"{file}:number", "is no DSPy program, but of type int"),
        (f"{file}:limit", "is no DSPy program, but of type int"),
        ("none.py:Answer", "cannot be made: FileNotFoundError"),
        ("none_at_all:Answer", "cannot be made: ModuleNotFoundError"),
    ):
        with pytest.raises(RegistryError, match=message):
            program_source(name)
