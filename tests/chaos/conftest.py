"""Fixtures of faults around MLflow, and of an undisturbed record to compare with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path

os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"  # no terminal


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Tracking URI of a local store of the test's own; its artifacts go below the working folder, so that is moved."""
    monkeypatch.chdir(tmp_path)
    return blank_store(tmp_path, "reference.db")


@pytest.fixture
def second_store(tmp_path: Path) -> str:
    """Another one."""
    return blank_store(tmp_path, "second.db")


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The spool, of the test's own and empty."""
    folder = tmp_path / "spool"
    monkeypatch.setenv("OTEL_DSPY_SPOOL_DIR", str(folder))
    return folder
