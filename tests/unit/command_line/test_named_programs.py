"""Programs of the user's code that a command names: in a file or in a package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dspy
import pytest

from otel_dspy.command_line.user_code import UserCode
from otel_dspy.command_line.user_code_error import UserCodeError
from tests.support.program_file import program_file

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Generator[Path]:
    """A file with a program, which no package has."""
    with program_file(tmp_path) as path:
        yield path


@pytest.mark.parametrize("name", ["Answer", "made", "make"])
def test_a_program_of_a_file(file: Path, name: str) -> None:
    """A class and a function are called; the file belongs to the model."""
    code = UserCode()
    assert [path for path, _ in code.program(f"{file}:{name}").named_predictors()] == ["answer"]
    assert code.files == (str(file),)


def test_a_program_of_a_package() -> None:
    """It is imported; no file belongs to the model."""
    code = UserCode()
    assert isinstance(code.program("otel_dspy.demo.task:SentimentOfTweet"), dspy.Module)
    assert code.files == ()


def test_the_reason_has_no_secrets(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of the environment, a key by its format and a password in a URL are removed from the message."""
    secrets = ("violet-harbor-lantern", "sk-proj-abcdefghij0123456789", "postgresql://me:hunter2hunter2@db/name")
    monkeypatch.setenv("VAULT_TOKEN", secrets[0])
    file.write_text(f"def make():\n    raise ValueError({' and '.join(secrets)!r})\n", encoding="utf-8")
    with pytest.raises(UserCodeError, match=r"ValueError: \[redacted\] and \[redacted\] and ") as raised:
        UserCode().program(f"{file}:make")
    assert "hunter2hunter2" not in str(raised.value)


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
        with pytest.raises(UserCodeError, match=message):
            UserCode().program(name)
