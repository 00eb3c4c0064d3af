"""Experiment and workspace of a span that MLflow's server receives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.mlflow_server_app.request_experiment_routing import RequestExperimentRouter
from otel_dspy.otlp_requests.span_route import UnusableError
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path

EXPERIMENTS = RequestExperimentRouter("sqlite:///m.db")
NAMED = {"mlflow.experiment.name": "sums", "service.name": "answers"}


def test_mlflows_header_has_precedence_over_the_resource() -> None:
    """MLflow checks permissions on the experiment of the header; a resource must not lead elsewhere."""
    expected = Destination("sqlite:///m.db", Experiment(id="7"), None)
    assert EXPERIMENTS.destination(NAMED, "7") == expected


def test_without_the_header_the_resource_decides() -> None:
    """Else the default; the service only if it is switched on."""
    by_service = RequestExperimentRouter("sqlite:///m.db", "Default", by_service=True)
    found = [
        EXPERIMENTS.destination(NAMED, None).experiment,
        EXPERIMENTS.destination({"service.name": "answers"}, None).experiment,
        by_service.destination({"service.name": "answers"}, None).experiment,
    ]
    assert found == [Experiment(name="sums"), Experiment(name="Default"), Experiment(name="answers")]


def test_an_unknown_experiment_is_distinguished_from_a_failing_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing store may have the experiment: the client is asked to retry, by the writer."""
    monkeypatch.chdir(tmp_path)
    experiments = RequestExperimentRouter(blank_store(tmp_path))
    known = MlflowClient(experiments.tracking_uri).create_experiment("e")
    assert [experiments.lacks(one) for one in (known, "987", "none", "9" * 20)] == [False, True, True, True]

    def locked(_store: Store, _experiment_id: str) -> None:
        raise MlflowException("database is locked", TEMPORARILY_UNAVAILABLE)

    monkeypatch.setattr(Store, "ping", locked)
    assert not experiments.lacks("987")


def test_the_workspace_is_that_of_the_request() -> None:
    """A resource that names another one is rejected: the request may not be allowed to write there."""
    resource = {"mlflow.workspace.name": "team-a"}
    assert EXPERIMENTS.destination(resource, "7", "team-a").workspace == "team-a"
    assert EXPERIMENTS.destination({}, None, "team-a").workspace == "team-a"
    assert EXPERIMENTS.destination({"mlflow.workspace.name": "default"}, None).workspace is None
    for workspace in ("team-b", None):
        with pytest.raises(UnusableError, match="is not the workspace of the request"):
            EXPERIMENTS.destination(resource, "7", workspace)
