"""MLflow stores for a single test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"  # no terminal


@pytest.fixture
def new_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Makes a local store of a name; its tracking URI. Artifacts go below the working folder, so that is moved."""
    monkeypatch.chdir(tmp_path)

    def make(name: str) -> str:
        return blank_store(tmp_path, f"{name}.db")

    return make
