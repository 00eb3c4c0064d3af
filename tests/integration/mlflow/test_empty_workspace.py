"""`workspace=""` on a server with and on one without workspaces: no request names one, whatever the process has set."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.utils.workspace_context import WorkspaceContext

from otel_dspy.mlflow import MlflowSpanProcessor, autolog
from tests.integration.mlflow.conftest import DELIVERY
from tests.integration.mlflow.test_workspaces import DEFAULT, compile_once, compiles, optimize
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.mlflow_server import MlflowServer

TEAM = "team-a"


@pytest.fixture(params=["environment", "set_workspace"])
def experiment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    """An experiment's name; the process has a workspace, by MLflow's variable or its function."""
    with WorkspaceContext(None):
        monkeypatch.setenv("MLFLOW_WORKSPACE", TEAM)
        if request.param == "set_workspace":
            mlflow.set_workspace(TEAM)
        yield f"test-{uuid.uuid4().hex[:12]}"


def write(uri: str, experiment: str) -> None:
    """A compile that is emitted to a processor, and one of DSPy's by `autolog`."""
    processor = MlflowSpanProcessor(tracking_uri=uri, experiment=experiment, workspace="")
    compile_once(processor, "emitted")
    assert processor.force_flush(DELIVERY)
    processor.shutdown()
    assert processor.lost == 0
    autolog(tracking_uri=uri, experiment=f"{experiment}-autolog", workspace="")
    try:
        optimize("1+1")
    finally:
        autolog(disable=True)


def test_a_server_with_workspaces(workspace_server: MlflowServer, experiment: str) -> None:
    """Everything is in the default workspace, nothing in that of the process."""
    write(workspace_server.uri, experiment)
    found = {name: compiles(workspace_server.uri, name, experiment) for name in (DEFAULT, TEAM)}
    assert found == {DEFAULT: ["emitted"], TEAM: []}
    client = MlflowClient(workspace_server.uri)
    with WorkspaceContext(TEAM):
        assert client.get_experiment_by_name(f"{experiment}-autolog") is None
    with WorkspaceContext(DEFAULT):
        (run,) = read_tree(workspace_server.uri, f"{experiment}-autolog").runs
    assert (run.name, run.status) == ("BootstrapFewShot Predict", "FINISHED")


def test_a_server_without_workspaces(server: MlflowServer, experiment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It rejects requests that name one, and writes these."""
    with pytest.raises(mlflow.MlflowException, match="does not support workspaces"):
        MlflowClient(server.uri).get_experiment_by_name(experiment)
    write(server.uri, experiment)
    monkeypatch.delenv("MLFLOW_WORKSPACE")
    with WorkspaceContext(None):
        (emitted,) = read_tree(server.uri, experiment).runs
        (run,) = read_tree(server.uri, f"{experiment}-autolog").runs
    assert (emitted.tags["dspy.compile.id"], emitted.status) == ("emitted", "FINISHED")
    assert [len(child.traces) for child in emitted.children] == [2]
    assert (run.name, run.status) == ("BootstrapFewShot Predict", "FINISHED")
