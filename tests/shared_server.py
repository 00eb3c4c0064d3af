"""One healthy MLflow server for all tests that need no more of it than an experiment of their own: each takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.mlflow_server import mlflow_server

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.mlflow_server import MlflowServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[MlflowServer]:
    """A tracking server on sqlite. It stays as it is: whoever wants it slow or gone puts a proxy before it."""
    with mlflow_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def server_uri(server: MlflowServer) -> str:
    """Its tracking URI."""
    return server.uri
