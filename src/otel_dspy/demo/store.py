"""MLflow store of the demo: a local folder, or any tracking URI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import mlflow

from otel_dspy.demo.readiness import DemoCannotRunError, check_store
from otel_dspy.mlflow.tracking_uri import open_with

EXPERIMENT = "otel-dspy demo"


@dataclass(frozen=True)
class Store:
    """An MLflow store and how to open it."""

    tracking_uri: str
    open_with: str
    """Command to run, or URL to open in a browser."""


def prepare_store(place: str) -> Store:
    """Prepare the store at `place` and its experiment.

    A folder is created if necessary and holds `mlflow.db` and `mlartifacts`; a value with `://` is used as the tracking
    URI.

    Raises:
        DemoCannotRunError: The folder cannot be created, or the store does not answer.
    """
    if "://" in place:
        check_store(place)
        return Store(place, open_with(place))
    folder = Path(place).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoCannotRunError(f"The folder {folder} for the MLflow store cannot be created: {error}") from error
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = mlflow.MlflowClient(uri)
    if client.get_experiment_by_name(EXPERIMENT) is None:
        # MLflow's default artifact location is below the current folder.
        client.create_experiment(EXPERIMENT, artifact_location=(folder / "mlartifacts").as_uri())
    return Store(uri, open_with(uri))
