"""One MLflow server shared by all tests that need only an experiment of their own, since a start takes seconds.

A second one has workspaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.mlflow_server import WITH_APP, mlflow_server

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.mlflow_server import MlflowServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[MlflowServer]:
    """Tracking server on sqlite. Tests must not stop or slow it down: use a proxy in front of it."""
    with mlflow_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def server_uri(server: MlflowServer) -> str:
    """Its tracking URI."""
    return server.uri


@pytest.fixture(scope="session")
def app_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[MlflowServer]:
    """`mlflow server --app-name otel-dspy`, with two workers."""
    with mlflow_server(tmp_path_factory.mktemp("app-server"), options=(*WITH_APP, "--workers", "2")) as running:
        yield running


WORKSPACES = ("team-a", "team-b")


@pytest.fixture(scope="session")
def workspace_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[MlflowServer]:
    """A tracking server with workspaces enabled: MLflow's default one and `WORKSPACES`."""
    from mlflow.tracking._workspace.client import WorkspaceProviderClient  # noqa: PLC0415 - MLflow takes seconds

    with mlflow_server(tmp_path_factory.mktemp("workspaces"), workspaces=True) as running:
        for name in WORKSPACES:
            WorkspaceProviderClient(running.uri).create_workspace(name)
        yield running
