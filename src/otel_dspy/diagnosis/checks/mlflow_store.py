"""Check of the MLflow tracking store that the environment names."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from difflib import get_close_matches
from http import HTTPStatus
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from otel_dspy.diagnosis.checks.exporters import TIMEOUT, no_address
from otel_dspy.diagnosis.finding import Finding, Level
from otel_dspy.tracking_uri import address_without_passwords, uri_error, without_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TRACKING_URI: Final = "MLFLOW_TRACKING_URI"
WORKSPACE: Final = "MLFLOW_WORKSPACE"
_SCHEMES: Final = frozenset({
    "databricks", "databricks-uc", "file", "http", "https", "mssql", "mysql", "postgresql", "sqlite", "uc",
})  # fmt: skip
"""Schemes of MLflow's own tracking stores, as its error for any other one lists them (3.17)."""


def mlflow_store(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Check the tracking store that MLFLOW_TRACKING_URI names: that it answers, or that its folder can be written."""
    uri = environment.get(TRACKING_URI, "")
    if not uri:
        yield Finding(
            "mlflow", Level.NOTE, f"{TRACKING_URI} is not set: autolog uses the URI of mlflow.set_tracking_uri"
        )
        return
    shown = address_without_passwords(uri)
    scheme = uri.partition(":")[0].lower()
    if scheme in {"http", "https"} and (wrong := uri_error(uri)) is not None:
        yield no_address("mlflow", TRACKING_URI, uri, wrong)
    elif scheme in {"http", "https"}:
        error = _unhealthy(uri.rstrip("/"))
        if error is not None:
            yield Finding("mlflow", Level.PROBLEM, f"the MLflow health check of {shown} failed: {error}")
        else:
            yield _asked(uri, shown, environment.get(WORKSPACE, "").strip())
    elif scheme == "sqlite":
        folder = Path(uri.removeprefix("sqlite:///")).absolute().parent
        if os.access(folder, os.W_OK):
            yield Finding("mlflow", Level.OK, f"{shown} is in a writable folder")
        else:
            yield Finding("mlflow", Level.PROBLEM, f"{shown}: {folder} does not exist or is not writable")
    elif "://" in uri and scheme.partition("+")[0] not in _schemes():
        near = get_close_matches(scheme, sorted(_schemes()), 1)
        meant = f"Did you mean {near[0]}?" if near else "It may need a plug-in of MLflow."
        yield Finding("mlflow", Level.PROBLEM, f"{shown}: MLflow has no tracking store for {scheme!r}. {meant}")
    else:
        yield Finding("mlflow", Level.NOTE, f"{shown} was not checked")


def _schemes() -> frozenset[str]:
    return _SCHEMES | {plugin.name for plugin in entry_points(group="mlflow.tracking_store")}


def _unhealthy(uri: str) -> str | None:
    parts = urlsplit(uri)
    # The health check needs no credentials, and urllib treats user information in a URL as part of the host.
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    request = urllib.request.Request(f"{plain}/health")  # noqa: S310 - http or https, checked by the caller
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - the same
            return None if answer.status == HTTPStatus.OK else f"status {answer.status}"
    except urllib.error.HTTPError as error:
        return f"status {error.code}"
    except (OSError, ValueError) as error:
        return without_passwords(str(getattr(error, "reason", error)))


def _asked(uri: str, shown: str, workspace: str) -> Finding:
    """Check that a healthy server accepts the credentials and has the workspace, if one is set."""
    answers = Finding("mlflow", Level.OK, f"{shown} is reachable" + (f", workspace {workspace}" if workspace else ""))
    if find_spec("mlflow") is None:
        return answers
    from mlflow import MlflowClient  # noqa: PLC0415 - seconds

    from otel_dspy.mlflow.tracking.requests import http_policy, workspaces  # noqa: PLC0415 - the same
    from otel_dspy.mlflow.tracking.requests.error_classification import ErrorClass, classify  # noqa: PLC0415 - the same

    failed: list[tuple[int | None, Exception]] = []

    def ask() -> None:
        try:
            with http_policy.no_retries(0), workspaces.selected(workspace):
                cast("Any", MlflowClient(uri)).search_experiments(max_results=1)
        except Exception as error:  # noqa: BLE001 - MLflow and its transports raise all kinds
            failed.append((http_policy.last_status(), error))

    # MLflow's own timeout is two minutes.
    asking = threading.Thread(target=ask, name="otel-dspy-doctor", daemon=True)
    asking.start()
    asking.join(TIMEOUT)
    for status, error in failed:
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return Finding(
                "mlflow",
                Level.PROBLEM,
                f"{shown} rejects the credentials (status {status}): set valid MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
            )
        if workspace and classify(error, status) is ErrorClass.NO_WORKSPACE:
            return Finding(
                "mlflow",
                Level.PROBLEM,
                f"{WORKSPACE}={workspace} cannot be used with {shown}: {without_passwords(str(error))}. Set a "
                "workspace that exists on the server, or unset the variable",
            )
    return answers
