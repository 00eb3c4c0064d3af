"""The view of trials: saved once in an experiment, never an error."""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient

from otel_dspy.mlflow.mapping.runs.saved_view_content import TAG, WRITTEN
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.runs.saved_view_tag import save_trials_view
from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path


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


def _former_view(uri: str, connection: Connection, **changes: object) -> str:
    """Save the view as a version with fewer columns did, without a digest, and return it."""
    state = {"searchFilter": "", "orderByKey": None, "orderByAsc": True, "selectedColumns": ["metrics.`eval`"]}
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    former = {"name": "Trials (otel-dspy)", "createdAt": 7, "updatedAt": 7, "state": f"deflate;{packed}", **state}
    text = json.dumps(former | changes)
    for key, value in {TAG: text, "otel_dspy.saved_view": "otel-dspy-trials"}.items():
        MlflowClient(uri).set_experiment_tag(connection.experiment_id(), key, value)
    return text


def test_one_of_a_former_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """With the date of its creation; what a user changes afterwards is kept, and so is what a later version wrote."""
    uri = blank_store(tmp_path)
    connection = Connection(Destination(uri, Experiment(name="E")))
    _former_view(uri, connection)
    save_trials_view(connection)
    found = tags_of(uri)
    view = json.loads(found[TAG])
    assert (view["createdAt"], view["updatedAt"] > 7, view["orderByKey"]) == (7, True, "metrics.`score/full`")
    save_trials_view(connection)
    assert tags_of(uri) == found
    MlflowClient(uri).set_experiment_tag(connection.experiment_id(), TAG, found[TAG] + " ")
    MlflowClient(uri).set_experiment_tag(connection.experiment_id(), WRITTEN, found[WRITTEN].replace(" 2 ", " 1 "))
    save_trials_view(connection)
    assert tags_of(uri)[TAG] == found[TAG] + " "
    later = found[WRITTEN].replace(" 2 ", " 3 ")
    MlflowClient(uri).set_experiment_tag(connection.experiment_id(), WRITTEN, later)
    save_trials_view(connection)
    assert tags_of(uri)[WRITTEN] == later


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Mine"},
        {"updatedAt": 8},
        {"selectedColumns": ["metrics.`mine`"]},
        {"state": "deflate;no"},
        {"state": 1},
    ],
)
def test_one_of_a_former_version_that_a_user_has_changed(tmp_path: Path, changes: dict[str, object]) -> None:
    """It stays as it is; so does a deletion."""
    uri = blank_store(tmp_path)
    connection = Connection(Destination(uri, Experiment(name="E")))
    kept = _former_view(uri, connection, **changes)
    save_trials_view(connection)
    assert tags_of(uri)[TAG] == kept
    MlflowClient(uri).delete_experiment_tag(connection.experiment_id(), TAG)
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
