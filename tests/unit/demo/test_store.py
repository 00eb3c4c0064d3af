from __future__ import annotations

from typing import TYPE_CHECKING

import mlflow

from otel_dspy.demo.store import EXPERIMENT, Store, prepare_store

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_folder_gets_a_database_with_artifacts_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new folder is made, whatever folder is current, and a second start finds the same experiment."""
    monkeypatch.chdir(tmp_path)
    store = prepare_store("a/my runs")
    folder = tmp_path / "a" / "my runs"
    assert store == Store(
        f"sqlite:///{folder}/mlflow.db", f"mlflow ui --backend-store-uri 'sqlite:///{folder}/mlflow.db'"
    )
    experiment = mlflow.MlflowClient(store.tracking_uri).get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    assert experiment.artifact_location == (folder / "mlartifacts").as_uri()
    assert prepare_store("a/my runs") == store
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_tracking_uri_is_taken_as_it_is() -> None:
    """A server is opened in a browser, another store by MLflow's command."""
    assert prepare_store("http://127.0.0.1:5000") == Store("http://127.0.0.1:5000", "http://127.0.0.1:5000")
    assert prepare_store("sqlite:////x/y.db") == Store(
        "sqlite:////x/y.db", "mlflow ui --backend-store-uri sqlite:////x/y.db"
    )
