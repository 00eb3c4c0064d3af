"""What goes wrong around MLflow, and the undisturbed record to compare with."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.mlflow_server import mlflow_server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.mlflow_server import MlflowServer

os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"  # nobody watches


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[MlflowServer]:
    """A healthy server; what goes wrong lies before it."""
    with mlflow_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def blank_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local MLflow store without anything in it: making its tables takes seconds."""
    from mlflow import MlflowClient  # noqa: PLC0415 - takes seconds, and not every run needs it

    file = tmp_path_factory.mktemp("blank") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def store(blank_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Tracking URI of a local store of the test's own; its artifacts go below the working folder, so that is moved."""
    monkeypatch.chdir(tmp_path)
    return copy_of(blank_database, tmp_path / "reference.db")


@pytest.fixture
def second_store(blank_database: Path, tmp_path: Path) -> str:
    """Another one."""
    return copy_of(blank_database, tmp_path / "second.db")


def copy_of(database: Path, target: Path) -> str:
    """Copy a store; its tracking URI."""
    shutil.copy(database, target)
    return f"sqlite:///{target}"


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The spool, of the test's own and empty."""
    folder = tmp_path / "spool"
    monkeypatch.setenv("OTEL_DSPY_SPOOL_DIR", str(folder))
    return folder
