"""Current destination of MLflow calls, read on the user's thread without network requests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import mlflow
from mlflow.tracking import fluent

from otel_dspy.mlflow.fluent.evaluated_request import evaluated_request_id
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.requests import workspaces

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow.entities import Run


def current(
    tracking_uri: str | None, experiment: str | None, workspace: str | None = None
) -> tuple[Destination, str | None]:
    """Return the destination, and the id of the run that the user has open there or would resume.

    Args:
        tracking_uri: tracking URI of `autolog`; takes precedence over MLflow's.
        experiment: name of an experiment; takes precedence over MLflow's.
        workspace: name of a workspace; takes precedence over MLflow's.
    """
    of_mlflow, active = mlflow.get_tracking_uri(), workspaces.active()
    uri = tracking_uri or of_mlflow
    chosen_workspace = active if workspace is None else workspace
    if experiment is not None:
        return Destination(uri, Experiment(name=experiment), chosen_workspace), None
    if not is_mlflows(tracking_uri, workspace):
        # The user's open run and experiment ids belong to another tracking store.
        return Destination(uri, _experiment_elsewhere(), chosen_workspace), None
    run = mlflow.active_run() or _evaluations_run()
    if run is not None:
        experiment_id = str(run.info.experiment_id)
        return Destination(uri, Experiment(id=experiment_id), chosen_workspace), str(run.info.run_id)
    chosen = _experiment()
    # Set by `mlflow run` for its process and resumed by `start_run`. Reading its experiment would need a request.
    resumed = os.environ.get("MLFLOW_RUN_ID") if chosen.id is not None else None
    return Destination(uri, chosen, chosen_workspace), resumed or None


def _evaluations_run() -> Run | None:
    """Return the run of MLflow's own evaluation, which calls programs on threads without an active run."""
    latest: Callable[[], Run | None] | None = getattr(fluent, "_get_latest_active_run", None)
    return latest() if latest is not None and evaluated_request_id() is not None else None


def is_mlflows(tracking_uri: str | None, workspace: str | None) -> bool:
    """Whether a tracking URI and a workspace are MLflow's current ones; None counts as MLflow's."""
    if tracking_uri is not None and tracking_uri.rstrip("/") != mlflow.get_tracking_uri().rstrip("/"):
        return False
    return workspace is None or workspaces.same(workspace, workspaces.active())


def _experiment() -> Experiment:
    # In the order of MLflow's own `_get_experiment_id`, which may send a request; this must not.
    chosen: object = getattr(fluent, "_active_experiment_id", None)
    if chosen is not None:
        return Experiment(id=str(chosen))
    if name := os.environ.get("MLFLOW_EXPERIMENT_NAME"):
        return Experiment(name=name)
    if number := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return Experiment(id=number)
    return Experiment(name="Default")


def _experiment_elsewhere() -> Experiment:
    if name := os.environ.get("MLFLOW_EXPERIMENT_NAME"):
        return Experiment(name=name)
    # If MLflow has neither a tracking URI nor an experiment set, an id in the environment belongs to the given store.
    is_set = mlflow.is_tracking_uri_set() or getattr(fluent, "_active_experiment_id", None) is not None
    number = os.environ.get("MLFLOW_EXPERIMENT_ID")
    return Experiment(id=number) if number and not is_set else Experiment(name="Default")
