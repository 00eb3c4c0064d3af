from __future__ import annotations

from typing import TYPE_CHECKING

import mlflow
import pytest

from otel_dspy.demo.readiness import DemoCannotRunError
from otel_dspy.demo.store import EXPERIMENT, Store, prepare_store
from tests.support.fixed_status_server import listening

if TYPE_CHECKING:
    from pathlib import Path


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


def test_a_tracking_uri(tmp_path: Path) -> None:
    """A server is opened in a browser, another store by MLflow's command."""
    with listening() as port:
        assert prepare_store(f"http://127.0.0.1:{port}") == Store(
            f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}"
        )
    database = f"sqlite:///{tmp_path}/y.db"
    assert prepare_store(database) == Store(database, f"mlflow ui --backend-store-uri {database}")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (
            "http://127.0.0.1:9",
            "the MLflow health check of http://127.0.0.1:9 failed: [Errno 111] Connection refused. Start an MLflow server",
        ),
        (
            "htp://127.0.0.1:9",
            "htp://127.0.0.1:9: MLflow has no tracking store for 'htp'. Did you mean http? Correct --store, or leave it",
        ),
        (
            "sqlite:////nowhere/x.db",
            "sqlite:////nowhere/x.db: /nowhere does not exist or is not writable. Correct --store, or leave it",
        ),
        ("ftp2://host", "ftp2://host: MLflow has no tracking store for 'ftp2'. "),
        ("/dev/null/runs", "The folder /dev/null/runs for the MLflow store cannot be created: "),
    ],
)
def test_a_store_that_cannot_be_used(place: str, message: str) -> None:
    """The demo does not begin."""
    with pytest.raises(DemoCannotRunError) as error:
        prepare_store(place)
    assert str(error.value).startswith(message)
