"""Objects of a user's file that a command names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from otel_dspy.rerun.errors import RerunError
from otel_dspy.rerun.user_code import UserCode
from tests.support.program_file import program_file

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

SECRETS: Final = ("violet-harbor-lantern", "sk-proj-abcdefghij0123456789", "postgresql://me:hunter2hunter2@db/name")


@pytest.fixture
def file(tmp_path: Path) -> Generator[Path]:
    """A file with programs and functions."""
    with program_file(tmp_path) as path:
        yield path


@pytest.mark.parametrize("name", ["Answer", "made", "make"])
def test_a_program(file: Path, name: str) -> None:
    """A class and a function are called, as by `otel-dspy register`; a program, which can be called too, is not."""
    assert [path for path, _ in UserCode().program(f"{file}:{name}").named_predictors()] == ["answer"]


@pytest.mark.parametrize("name", ["number", "limit"])
def test_what_is_no_program(file: Path, name: str) -> None:
    """Its type is named."""
    with pytest.raises(RerunError, match=f"{name} is no DSPy program, but of type int"):
        UserCode().program(f"{file}:{name}")


def test_a_program_that_cannot_be_made(file: Path) -> None:
    """The message names the program and the reason, as that of `otel-dspy register` does."""
    file.write_text("def make(n):\n    return n\n", encoding="utf-8")
    with pytest.raises(RerunError, match=r"The program .*:make cannot be made: TypeError: make\(\) missing 1"):
        UserCode().program(f"{file}:make")


def test_the_reason_has_no_secrets(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of the environment, a key by its format and a password in a URL are removed from the message."""
    monkeypatch.setenv("VAULT_TOKEN", SECRETS[0])
    file.write_text(f"def make():\n    raise ValueError({' and '.join(SECRETS)!r})\n", encoding="utf-8")
    with pytest.raises(RerunError, match=r"ValueError: \[redacted\] and \[redacted\] and ") as raised:
        UserCode().program(f"{file}:make")
    assert "hunter2hunter2" not in str(raised.value)


def test_what_is_no_metric(file: Path) -> None:
    """A metric is called."""
    code = UserCode()
    assert code.metric(f"{file}:number") is code.load(f"{file}:number")
    with pytest.raises(RerunError, match="limit is no function, but of type int"):
        code.metric(f"{file}:limit")
