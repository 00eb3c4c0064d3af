"""Where a worker of MLflow's server reaches artifacts that the server proxies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mlflow.exceptions import MlflowException

from otel_dspy.mlflow.tracking.store import server_artifacts

if TYPE_CHECKING:
    from collections.abc import Generator

RUN = "mlflow-artifacts:/1/abc/artifacts"


@pytest.fixture
def _server() -> Generator[None]:
    undo = server_artifacts.use("mlflow-artifacts:/", "s3://bucket/root?x=1")
    yield
    undo()


def test_outside_a_server_nothing_changes() -> None:
    """A client resolves the URI to the server's address."""
    assert (server_artifacts.direct(RUN), server_artifacts.root()) == (RUN, None)


@pytest.mark.usefixtures("_server")
def test_a_server_reaches_what_it_proxies_at_its_destination() -> None:
    """Other locations, and those of another server, are left as they are."""
    assert server_artifacts.root() == "mlflow-artifacts:/"
    assert server_artifacts.direct(RUN) == "s3://bucket/root/1/abc/artifacts?x=1"
    for uri in ("mlflow-artifacts://elsewhere/1/abc/artifacts", "s3://other/1", "/srv/artifacts/1"):
        assert server_artifacts.direct(uri) == uri


def test_a_server_that_has_ended_leaves_a_client() -> None:
    """What is set for a server is undone as a whole."""
    before = server_artifacts.in_server()
    undo = server_artifacts.use("mlflow-artifacts:/", None)
    assert server_artifacts.in_server()
    undo()
    assert (server_artifacts.in_server(), server_artifacts.root()) == (before, None)


@pytest.mark.usefixtures("_server")
def test_a_path_does_not_lead_out_of_the_destination() -> None:
    """An experiment's location is chosen by the user that creates it."""
    with pytest.raises(MlflowException, match="Invalid path"):
        server_artifacts.direct("mlflow-artifacts:/1/../../other")
