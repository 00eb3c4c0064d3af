"""`rerun` and `register` with a store whose database fails: the cause alone, without the statement and its data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_dspy.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("command", "begin"),
    [
        (["rerun", "latest", "--metric", "users.py:f"], "The trial could not be run again: DatabaseError: "),
        (["register", "latest", "--name", "n", "--program", "users.py:f"], "The program was not registered: "),
    ],
)
def test_the_cause_is_printed(
    command: list[str], begin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SQLAlchemy's message has both on lines of their own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "users.py").write_text("import dspy\n\ndef f(*_):\n    return dspy.Predict('question -> answer')\n")
    store = tmp_path / "mlflow.db"
    store.write_bytes(b"no database" * 1000)
    assert main([*command, "--tracking-uri", f"sqlite:///{store}"]) == 1
    assert capsys.readouterr().err == f"{begin}(sqlite3.DatabaseError) file is not a database\n"
