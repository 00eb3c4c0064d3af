"""MLflow's current store, for calls of MLflow that use it instead of their client's store."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import mlflow

if TYPE_CHECKING:
    from collections.abc import Generator

_EXPERIMENT: Final = "MLFLOW_EXPERIMENT_ID"


@contextmanager
def current_store(tracking_uri: str) -> Generator[None]:
    """Make a store MLflow's current one while the block runs.

    MLflow 3.17 looks up the model of a version and the run of a prompt in the current store, not in that of the client
    (store/model_registry/sqlalchemy_store.py, `create_model_version`).

    Args:
        tracking_uri: the store.
    """
    before, chosen = mlflow.get_tracking_uri(), mlflow.is_tracking_uri_set()
    if before == tracking_uri:
        yield
        return
    # `mlflow.set_experiment` sets this variable, which MLflow rejects in a store without that experiment.
    experiment = os.environ.pop(_EXPERIMENT, None)
    mlflow.set_tracking_uri(tracking_uri)
    try:
        yield
    finally:
        if experiment is not None:
            os.environ[_EXPERIMENT] = experiment
        cast("Any", mlflow).set_tracking_uri(before if chosen else None)
