"""Runs of registered models."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from otel_dspy.mlflow.tracking_uri import without_passwords
from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.runs.run_search import check_store

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

_MODEL: Final = re.compile(r"models?:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[^/@]+))")
_NEWEST: Final = "latest"
_MISSING: Final = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})


def baseline_run(tracking_uri: str, baseline: str) -> str:
    """Return the id of the run that a baseline names.

    Args:
        tracking_uri: the store; its model registry is the one that belongs to it.
        baseline: id of a run, or a model: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `models:/NAME/latest`.

    Raises:
        ReportError: There is no such model version, or it has no run.
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    if not re.match("models?:", baseline):
        return baseline
    found = _MODEL.fullmatch(baseline)
    if found is None:
        raise ReportError(
            f"{baseline!r} names no model: models:/NAME@ALIAS, models:/NAME/VERSION or models:/NAME/latest."
        )
    check_store(tracking_uri)
    version = _version(MlflowClient(tracking_uri), found["name"], found["alias"], found["version"])
    if version is None:
        alias = "" if found["alias"] is None else f" --alias {found['alias']}"
        raise ReportError(
            f"There is no model {baseline!r} in {without_passwords(tracking_uri)}: "
            f"otel-dspy register RUN --name {found['name']}{alias} registers one."
        )
    if not version.run_id:
        raise ReportError(
            f"Version {version.version} of the model {found['name']!r} has no run: its source is {version.source}. "
            "Name the optimization's run by its id, or register it by otel-dspy register."
        )
    return str(version.run_id)


def _version(client: MlflowClient, name: str, alias: str | None, version: str | None) -> ModelVersion | None:
    try:
        if alias is not None:
            return client.get_model_version_by_alias(name, alias)
        if version != _NEWEST:
            return client.get_model_version(name, cast("Any", version))
        newest = client.search_model_versions(f"name='{name}'", max_results=1, order_by=["version_number DESC"])
        return next(iter(newest), None)
    except MlflowException as error:
        if error.error_code in _MISSING:
            return None
        raise
