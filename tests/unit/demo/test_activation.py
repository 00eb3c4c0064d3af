from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from otel_dspy.demo.activation import activation

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of commands of an environment, in which the interpreter is."""
    found = tmp_path / "my env" / "bin"
    found.mkdir(parents=True)
    (found / "activate").touch()
    for command in ("otel-dspy", "mlflow"):
        (found / command).touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(found / "python"))
    return found


def test_commands_that_the_shell_does_not_find(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is to be activated, where it can be."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert activation() == f"source '{folder}/activate'"
    (folder / "activate").unlink()
    assert activation() is None


def test_commands_that_the_shell_finds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is to be done where both are on the PATH; one of them is not enough."""
    monkeypatch.setenv("PATH", str(folder))
    assert activation() is None
    (folder / "mlflow").unlink()
    assert activation() == f"source '{folder}/activate'"
