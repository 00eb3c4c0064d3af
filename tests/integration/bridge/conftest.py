"""Stores of a test's own, and a server that all share."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.mlflow_server import mlflow_server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"  # nobody watches


@pytest.fixture(scope="session")
def server_uri(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Tracking URI of a server on sqlite."""
    with mlflow_server(tmp_path_factory.mktemp("server")) as running:
        yield running.uri


@pytest.fixture(scope="session")
def _blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local store without anything in it: making its tables takes seconds."""
    from mlflow import MlflowClient  # noqa: PLC0415 - takes seconds, and not every run needs it

    file = tmp_path_factory.mktemp("blank") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def new_store(_blank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Makes a local store of a name; its tracking URI. Artifacts go below the working folder, so that is moved."""
    monkeypatch.chdir(tmp_path)

    def make(name: str) -> str:
        return f"sqlite:///{shutil.copy(_blank, tmp_path / f'{name}.db')}"

    return make
