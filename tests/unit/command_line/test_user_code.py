"""Objects of a user's file that a command names."""

from __future__ import annotations

import operator
import sys
from typing import TYPE_CHECKING, Final

import pytest

from otel_dspy.command_line.user_code import UserCode
from otel_dspy.command_line.user_code_error import UserCodeError
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
    with pytest.raises(UserCodeError, match=f"{name} is no DSPy program, but of type int"):
        UserCode().program(f"{file}:{name}")


def test_a_program_that_cannot_be_made(file: Path) -> None:
    """The message names the program and the reason, as that of `otel-dspy register` does."""
    file.write_text("def make(n):\n    return n\n", encoding="utf-8")
    with pytest.raises(UserCodeError, match=r"The program .*:make cannot be made: TypeError: make\(\) missing 1"):
        UserCode().program(f"{file}:make")


def test_an_object_that_raises_for_each_attribute(file: Path) -> None:
    """As one that is made at its first use, without what it needs."""
    file.write_text(
        f"class Lazy:\n    def __getattr__(self, name):\n        raise RuntimeError({SECRETS[1]!r})\nlazy = Lazy()\n",
        "utf-8",
    )
    with pytest.raises(UserCodeError, match=r"The program .*:lazy cannot be made: RuntimeError: \[redacted\]$"):
        UserCode().program(f"{file}:lazy")


def test_the_reason_has_no_secrets(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of the environment, a key by its format and a password in a URL are removed from the message."""
    monkeypatch.setenv("VAULT_TOKEN", SECRETS[0])
    file.write_text(f"def make():\n    raise ValueError({' and '.join(SECRETS)!r})\n", encoding="utf-8")
    with pytest.raises(UserCodeError, match=r"ValueError: \[redacted\] and \[redacted\] and ") as raised:
        UserCode().program(f"{file}:make")
    assert "hunter2hunter2" not in str(raised.value)


def test_what_is_no_metric(file: Path) -> None:
    """A metric is called."""
    code = UserCode()
    assert code.metric(f"{file}:number") is code.metric(f"{file}:number")
    with pytest.raises(UserCodeError, match="limit is no function, but of type int"):
        code.metric(f"{file}:limit")


def test_a_metric_of_a_package() -> None:
    """It is imported, as a program is."""
    assert UserCode().metric("operator:eq") is operator.eq


@pytest.mark.parametrize("kind", ["program", "metric"])
def test_the_messages_are_the_same_for_a_program_and_a_metric(file: Path, kind: str) -> None:
    """What is wrong with the name, the file or the package; the reason of a file that raises has no secrets."""
    broken = file.with_name("broken.py")
    broken.write_text(f"raise ValueError({SECRETS[1]!r})\n", encoding="utf-8")
    (file.parent / "folder.py").mkdir()
    for name, message in (
        ("answers", f"answers names no {kind}: FILE.py:NAME or package.module:NAME."),
        (f"{file}:1", f"{file}:1 names no {kind}: FILE.py:NAME or package.module:NAME."),
        (f"{file}:none", f"AttributeError: {file} has no none."),
        (f"{file.parent}/folder.py:x", f"FileNotFoundError: There is no Python file {file.parent}/folder.py."),
        ("operator:none", "AttributeError: operator has no none."),
        ("none_at_all:x", "ModuleNotFoundError: No module named 'none_at_all'"),
        (f"{broken}:x", "ValueError: [redacted]"),
    ):
        with pytest.raises(UserCodeError) as raised:
            getattr(UserCode(), kind)(name)
        assert str(raised.value).endswith(message)


def test_a_file_is_run_once(file: Path) -> None:
    """Its program and its metric are of one module, also where the paths differ."""
    file.write_text("import dspy\nprogram = dspy.Predict('a -> b')\nmetric = program.__call__\n", "utf-8")
    code = UserCode()
    program = code.program(f"{file}:program")
    assert code.metric(f"{file.parent / '.' / '..' / file.parent.name / file.name}:metric").__self__ is program
    assert code.files == (str(file),)


@pytest.mark.parametrize(
    "content", ["raise ValueError('broken')", "import sys; del sys.modules[__name__]; raise ValueError('broken')"]
)
def test_a_broken_file_with_the_name_of_a_module(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module stays: what is imported later finds it, and not the file."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    broken = tmp_path / "operator.py"
    broken.write_text(content, encoding="utf-8")
    with pytest.raises(UserCodeError, match=r"cannot be loaded: ValueError: broken$"):
        UserCode().metric(f"{broken}:metric")
    assert sys.modules["operator"] is operator
    (tmp_path / "broken_file_of_this_test.py").write_text(content, encoding="utf-8")
    with pytest.raises(UserCodeError, match=r"cannot be loaded: ValueError: broken$"):
        UserCode().metric(f"{tmp_path}/broken_file_of_this_test.py:metric")
    assert "broken_file_of_this_test" not in sys.modules
