"""One MLflow server shared by all tests that need only an experiment of their own, since a start takes seconds.

A second one has workspaces, a third one otel-dspy's application. Workers of pytest-xdist share them: no test may count on what others leave there meanwhile.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.mlflow_server import WITH_APP, MlflowServer, start_mlflow_server
from tests.support.session_processes import session_process

if TYPE_CHECKING:
    from tests.support.programs import Running


@pytest.fixture(scope="session")
def server() -> MlflowServer:
    """Tracking server on sqlite. Tests must not stop or slow it down: use a proxy in front of it."""
    return _shared("server")


@pytest.fixture(scope="session")
def server_uri(server: MlflowServer) -> str:
    """Its tracking URI."""
    return server.uri


@pytest.fixture(scope="session")
def app_server() -> MlflowServer:
    """`mlflow server --app-name otel-dspy`, with two workers. Its command and one of them run in forks: see `start_mlflow_server`."""
    return _shared("app-server", *WITH_APP, "--workers", "2")


WORKSPACES = ("team-a", "team-b")


@pytest.fixture(scope="session")
def workspace_server() -> MlflowServer:
    """A tracking server with workspaces enabled: MLflow's default one and `WORKSPACES`."""
    return _shared("workspaces", "--enable-workspaces")


def _shared(name: str, *options: str) -> MlflowServer:
    def start(folder: Path) -> tuple[Running, dict[str, Any]]:
        process, running = start_mlflow_server(folder, options=options)
        if "--enable-workspaces" in options:
            from mlflow.tracking._workspace.client import (  # noqa: PLC0415 - MLflow takes seconds
                WorkspaceProviderClient,
            )

            for workspace in WORKSPACES:
                WorkspaceProviderClient(running.uri).create_workspace(workspace)
        return process, {"uri": running.uri, "log": str(running.log)}

    found = session_process(name, start)
    return MlflowServer(found["uri"], Path(found["log"]), found["group"])
