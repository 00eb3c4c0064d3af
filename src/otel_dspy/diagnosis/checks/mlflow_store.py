"""Check of the MLflow tracking store that the environment names."""

from __future__ import annotations

import os
import socket
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from difflib import get_close_matches
from http import HTTPStatus
from http.client import HTTPException
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from otel_dspy.diagnosis.checks.addresses import no_address
from otel_dspy.diagnosis.checks.exporters import TIMEOUT
from otel_dspy.diagnosis.checks.mlflow_tls import no_answer, tls_problem
from otel_dspy.diagnosis.finding import LONGEST_REASON, Finding, Level
from otel_dspy.environment.boolean_text import boolean_variable
from otel_dspy.environment.optional_modules import is_installed
from otel_dspy.mlflow.tracking_uri import address_without_passwords, uri_error, without_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TRACKING_URI: Final = "MLFLOW_TRACKING_URI"
WORKSPACE: Final = "MLFLOW_WORKSPACE"
_FILE_STORES: Final = "MLFLOW_ALLOW_FILE_STORE"
"""Variable of MLflow versions that reject a folder without it."""
_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_MLFLOWS_NOT_JSON: Final = "was not in a valid JSON format"
"""Part of MLflow's message on an answer with status 200 that is not MLflow's (3.17, `utils/rest_utils.py`)."""
_NO_SERVER: Final = (
    f"{TRACKING_URI} must be the address of an MLflow server itself, with its path if it has one, and not one that "
    "redirects to it or to a login"
)
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
        yield _server(uri, shown, environment.get(WORKSPACE, "").strip())
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
    elif _is_folder(uri, scheme) and _rejects_folders(environment):
        yield Finding(
            "mlflow",
            Level.PROBLEM,
            f"{shown}: MLflow keeps no data in a folder any more: name a database, such as sqlite:///mlflow.db, or set "
            f"{_FILE_STORES}=true",
        )
    else:
        yield Finding("mlflow", Level.NOTE, f"{shown} was not checked")


def _is_folder(uri: str, scheme: str) -> bool:
    return scheme == "file" or ("://" not in uri and scheme not in _schemes())


def _rejects_folders(environment: Mapping[str, str]) -> bool:
    if not is_installed("mlflow") or boolean_variable(environment, _FILE_STORES, default=False):
        return False
    from mlflow import environment_variables  # noqa: PLC0415 - seconds

    return hasattr(environment_variables, _FILE_STORES)


def _schemes() -> frozenset[str]:
    return _SCHEMES | {plugin.name for plugin in entry_points(group="mlflow.tracking_store")}


@dataclass(frozen=True)
class _Unhealthy:
    """A failed health check.

    Attributes:
        reason: why, without passwords.
        decisive: False where MLflow's client may succeed, or knows more: it has the credentials and a certificate, and
            trusts other authorities.
    """

    reason: str
    decisive: bool


def _server(uri: str, shown: str, workspace: str) -> Finding:
    unhealthy = _health(uri.rstrip("/"))
    reachable = Finding("mlflow", Level.OK, f"{shown} is reachable" + (f", workspace {workspace}" if workspace else ""))
    failed = None if unhealthy is None else f"the MLflow health check of {shown} failed: {unhealthy.reason}"
    otherwise = reachable if failed is None else Finding("mlflow", Level.PROBLEM, failed)
    if not is_installed("mlflow") or (unhealthy is not None and unhealthy.decisive):
        return otherwise
    answers = _outcome(uri, workspace)
    if answers is None:
        return otherwise
    if answers.error is None:
        return reachable
    problem = _problem(answers, shown, workspace)
    if problem is None and unhealthy is not None and answers.status is None:
        problem = no_answer(answers.error, shown)
    return otherwise if problem is None else Finding("mlflow", Level.PROBLEM, problem)


def _health(uri: str) -> _Unhealthy | None:
    parts = urlsplit(uri)
    # urllib treats user information in a URL as part of the host.
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    encrypted = parts.scheme.lower() == "https"
    request = urllib.request.Request(f"{plain}/health")  # noqa: S310 - http or https, checked by the caller
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - the same
            healthy = answer.status == HTTPStatus.OK
            return None if healthy else _Unhealthy(f"status {answer.status}", decisive=True)
    except urllib.error.HTTPError as error:
        return _Unhealthy(f"status {error.code}", decisive=error.code not in _DENIED)
    except HTTPException:  # of a server of another protocol, or of TLS
        return _Unhealthy(
            "its answer is not HTTP: is the port, and http:// or https://, right?", decisive=not encrypted
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        decisive = not encrypted or isinstance(reason, ConnectionRefusedError | socket.gaierror | TimeoutError)
        return _Unhealthy(without_passwords(str(reason)), decisive=decisive)


@dataclass(frozen=True)
class _Outcome:
    """Outcome of a request by MLflow's client: the status of the answer, None where there was none; the error."""

    status: int | None
    error: Exception | None


def _outcome(uri: str, workspace: str) -> _Outcome | None:
    """Request an experiment by MLflow's client, in a workspace unless it is ""; None if there is no answer in time."""
    from mlflow import MlflowClient  # noqa: PLC0415 - seconds

    from otel_dspy.mlflow.tracking.requests import http_policy, workspaces  # noqa: PLC0415 - the same

    outcomes: list[_Outcome] = []

    def ask() -> None:
        try:
            with http_policy.no_retries(0), workspaces.selected(workspace):
                cast("Any", MlflowClient(uri)).search_experiments(max_results=1)
        except Exception as error:  # noqa: BLE001 - MLflow and its transports raise all kinds
            outcomes.append(_Outcome(http_policy.last_status(), error))
        else:
            outcomes.append(_Outcome(http_policy.last_status(), None))

    # MLflow's own timeout is two minutes.
    asking = threading.Thread(target=ask, name="otel-dspy-doctor", daemon=True)
    asking.start()
    asking.join(TIMEOUT)
    return outcomes[0] if outcomes else None


def _problem(outcome: _Outcome, shown: str, workspace: str) -> str | None:
    """Return the problem that a failed request shows; None where it may be a passing failure of the server."""
    if outcome.error is None:
        return None
    if outcome.status is None:
        return _problem_without_status(outcome.error, shown, workspace)
    return _problem_of_status(outcome.status, outcome.error, shown, workspace)


def _problem_of_status(status: int, error: Exception, shown: str, workspace: str) -> str | None:
    from otel_dspy.mlflow.tracking.requests.error_classification import (  # noqa: PLC0415 - seconds
        ErrorClass,
        classify,
    )

    if status in _DENIED:
        return (
            f"{shown} rejects the credentials (status {status}): set valid MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        )
    found = classify(error, status)
    if workspace and found is ErrorClass.NO_WORKSPACE:
        return _unusable_workspace(error, shown, workspace)
    if found is ErrorClass.REJECTED:
        return f"{shown} does not accept MLflow's requests (status {status}): {_NO_SERVER}"
    return None


def _problem_without_status(error: Exception, shown: str, workspace: str) -> str | None:
    from otel_dspy.mlflow.tracking.requests.error_cause import (  # noqa: PLC0415 - seconds
        error_cause,
        tls_failure_of,
        was_not_sent,
    )
    from otel_dspy.mlflow.tracking.requests.error_classification import (  # noqa: PLC0415 - seconds
        ErrorClass,
        classify,
    )

    if workspace and classify(error) is ErrorClass.NO_WORKSPACE:
        return _unusable_workspace(error, shown, workspace)
    if (failure := tls_failure_of(error)) is not None:
        return tls_problem(failure, shown)
    if _MLFLOWS_NOT_JSON in str(error):
        return f"{shown} answers MLflow's requests with a web page or another text: {_NO_SERVER}"
    if was_not_sent(error):
        return f"MLflow's client cannot send a request to {shown}: {error_cause(error, LONGEST_REASON)}"
    return None


def _unusable_workspace(error: Exception, shown: str, workspace: str) -> str:
    return (
        f"{WORKSPACE}={workspace} cannot be used with {shown}: {without_passwords(str(error))}. Set a "
        "workspace that exists on the server, or unset the variable"
    )
