"""Where the demo's runs go: an MLflow store in a folder, or any tracking URI."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import mlflow

EXPERIMENT = "otel-dspy demo"


@dataclass(frozen=True)
class Store:
    """An MLflow store and how a person looks into it."""

    tracking_uri: str
    open_with: str
    """What to type or to open in a browser."""


def prepare_store(place: str) -> Store:
    """Make the store at `place` ready, its experiment included.

    A folder (created if need be) gets `mlflow.db` and, beside it, `mlartifacts`; anything with `://` is taken as a
    tracking URI as it is.
    """
    if "://" in place:
        return Store(place, place if place.startswith("http") else _ui_command(place))
    folder = Path(place).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = mlflow.MlflowClient(uri)
    if client.get_experiment_by_name(EXPERIMENT) is None:
        # Left to itself, MLflow would put artifacts below whatever folder is current.
        client.create_experiment(EXPERIMENT, artifact_location=(folder / "mlartifacts").as_uri())
    return Store(uri, _ui_command(uri))


def _ui_command(uri: str) -> str:
    return f"mlflow ui --backend-store-uri {shlex.quote(uri)}"
