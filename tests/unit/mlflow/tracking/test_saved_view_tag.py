"""The view of trials: saved once in an experiment, never an error."""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING

from mlflow import MlflowClient

from otel_dspy.mlflow.mapping.runs.saved_view_content import TAG, WRITTEN
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.runs.saved_view_tag import save_trials_view
from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def tags_of(uri: str) -> dict[str, str]:
    """The experiment's tags."""
    experiment = MlflowClient(uri).get_experiment_by_name("E")
    assert experiment is not None
    return dict(experiment.tags)


def test_it_is_saved_once(tmp_path: Path) -> None:
    """With its state for the MLflow that has saved views and for the one that has shared views; the user's is kept."""
    uri = blank_store(tmp_path)
    connection = Connection(Destination(uri, Experiment(name="E")))
    save_trials_view(connection)
    view = json.loads(tags_of(uri)[TAG])
    assert (view["name"], view["createdAt"]) == ("Trials (otel-dspy)", view["updatedAt"])
    state = json.loads(zlib.decompress(base64.b64decode(view["state"].removeprefix("deflate;"))))
    assert state == {name: view[name] for name in state}
    assert (state["searchFilter"], state["orderByKey"]) == ("tags.`dspy.trial.index` LIKE '%'", "metrics.`score/full`")
    MlflowClient(uri).set_experiment_tag(connection.experiment_id(), TAG, "mine")
    save_trials_view(connection)
    assert tags_of(uri)[TAG] == "mine"


def test_it_is_replaced_as_the_tags_of_the_experiment_require(tmp_path: Path) -> None:
    """One of an earlier revision is; what was deleted is not written again."""
    uri = blank_store(tmp_path)
    connection = Connection(Destination(uri, Experiment(name="E")))
    client, experiment_id = MlflowClient(uri), connection.experiment_id()
    save_trials_view(connection)
    saved = tags_of(uri)
    save_trials_view(connection)
    assert tags_of(uri) == saved
    assert " 2 " in saved[WRITTEN]
    client.set_experiment_tag(experiment_id, WRITTEN, saved[WRITTEN].replace(" 2 ", " 1 "))
    save_trials_view(connection)
    replaced = tags_of(uri)
    assert " 2 " in replaced[WRITTEN]
    assert json.loads(replaced[TAG])["createdAt"] == json.loads(saved[TAG])["createdAt"]
    client.delete_experiment_tag(experiment_id, TAG)
    save_trials_view(connection)
    assert TAG not in tags_of(uri)


def test_a_failure_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """One DEBUG line, nothing raised."""
    caplog.set_level("DEBUG", logger="otel_dspy.mlflow.tracking.runs")
    save_trials_view(Connection(Destination("nowhere://x", Experiment(name="E"))))
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith("The view of trials is not saved: ")


def test_the_filter_finds_trials(tmp_path: Path) -> None:
    """Those with a score first."""
    uri = blank_store(tmp_path)
    connection = Connection(Destination(uri, Experiment(name="E")))
    save_trials_view(connection)
    client = MlflowClient(uri)
    for score, tags in ((None, {}), (None, {"dspy.trial.index": "0"}), (1.0, {"dspy.trial.index": "1"})):
        run = client.create_run(connection.experiment_id(), tags=tags)
        if score is not None:
            client.log_metric(run.info.run_id, "score/full", score)
    view = json.loads(tags_of(uri)[TAG])
    found = client.search_runs(
        [connection.experiment_id()], view["searchFilter"], order_by=[view["orderByKey"] + " DESC"]
    )
    assert [run.data.tags["dspy.trial.index"] for run in found] == ["1", "0"]
