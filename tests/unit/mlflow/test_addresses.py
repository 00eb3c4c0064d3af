"""No password in what is shown or kept, and an address that means the same wherever it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_dspy.mlflow.tracking.addresses import lasting, without_passwords


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:geheim@host:5000/x", "http://me@host:5000/x"),
        ("error at https://:geheim@host: no", "error at https://@host: no"),
        ("postgresql+psycopg2://me:ge@heim@db/mlflow", "postgresql+psycopg2://me@db/mlflow"),
        ("postgresql://db/mlflow?user=me&password=geheim&x=1", "postgresql://db/mlflow?user=me&password=&x=1"),
        ("http://host:5000/a@b", "http://host:5000/a@b"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
    ],
)
def test_passwords_are_taken_out(text: str, shown: str) -> None:
    """Of every address in a text, and nothing else of it."""
    assert without_passwords(text) == shown


@pytest.mark.parametrize(
    ("uri", "kept"),
    [
        ("sqlite:///mlflow.db", f"sqlite:///{Path.cwd()}/mlflow.db"),
        ("sqlite:////mlflow.db", "sqlite:////mlflow.db"),
        ("./mlruns", f"{Path.cwd()}/mlruns"),
        ("databricks", "databricks"),
        ("http://me:geheim@host", "http://me@host"),
    ],
)
def test_a_path_that_depends_on_the_folder_is_made_absolute(uri: str, kept: str) -> None:
    """A replay is run from another folder."""
    assert lasting(uri) == kept
