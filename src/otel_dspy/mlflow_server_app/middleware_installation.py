"""Adds the middleware to MLflow's FastAPI app, on the server's own store."""

from __future__ import annotations

import functools
import importlib
import logging
from typing import TYPE_CHECKING, Any, Final

from starlette.middleware import Middleware
from starlette.routing import Match, Mount

from otel_dspy.bridge.configuration import settings
from otel_dspy.bridge.configuration.setting_error import BridgeSettingError
from otel_dspy.bridge.intake import Intake
from otel_dspy.bridge.metrics import Metrics
from otel_dspy.bridge.request_writer import RequestWriter
from otel_dspy.mlflow.tracking.store import server_artifacts
from otel_dspy.mlflow_server_app import assessment_permission, base_app
from otel_dspy.mlflow_server_app.request_experiment_routing import RequestExperimentRouter
from otel_dspy.mlflow_server_app.requirements import wants_authentication
from otel_dspy.mlflow_server_app.trace_batch_middleware import TraceBatchMiddleware
from otel_dspy.mlflow_server_app.traces_middleware import TracesMiddleware
from otel_dspy.mlflow_server_app.unsupported_error import UnsupportedServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.applications import Starlette
    from starlette.types import Scope

    from otel_dspy.bridge.configuration.settings import BridgeSettings

_logger = logging.getLogger(__name__)

_TRACES_PATH: Final = "/v1/traces"
_UNUSED: Final = {"http": "127.0.0.1:0", "grpc": "off", "queue": "none"}
"""Settings of a bridge that the app has not: MLflow's server listens, and its store is as near as a queue on disk."""


def install(app: Starlette, environment: Mapping[str, str]) -> None:
    """Add the middleware to MLflow's app, inside all of MLflow's own: host check, CORS, workspace, permissions.

    Args:
        app: MLflow's FastAPI app.
        environment: environment variables of the server's worker.

    Raises:
        UnsupportedServerError: a setting is invalid, or the app has no OTLP endpoint.
    """
    # MLflow's server, which only a worker loads. Its names for a worker's variables are imported by MLflow itself so.
    server: Any = importlib.import_module("mlflow.server")
    if environment.get(server.ARTIFACTS_ONLY_ENV_VAR):
        _logger.warning("With --artifacts-only the server has no tracking store: otel-dspy does nothing.")
        return
    path = traces_path(app, environment.get(server.STATIC_PREFIX_ENV_VAR, "").rstrip("/"))
    authenticates = wants_authentication(environment)
    if authenticates:
        base_app.check_protected(app, path)
    serves = environment.get(server.SERVE_ARTIFACTS_ENV_VAR)
    server_artifacts.use(
        environment.get(server.ARTIFACT_ROOT_ENV_VAR),
        environment.get(server.ARTIFACTS_DESTINATION_ENV_VAR) if serves else None,
    )
    try:
        wanted = settings.resolve(
            {"tracking_uri": environment.get(server.BACKEND_STORE_URI_ENV_VAR)} | _UNUSED, environment
        )
    except BridgeSettingError as error:
        raise UnsupportedServerError(str(error)) from error
    experiments = RequestExperimentRouter(wanted.tracking_uri, wanted.experiment, wanted.experiment_by_service)
    limit = wanted.max_request_bytes
    app.user_middleware += (
        Middleware(
            TraceBatchMiddleware,
            path=path,
            tracking_uri=wanted.tracking_uri,
            limit=limit,
            may_assess=assessment_permission.is_granted if authenticates else _anyone,
        ),
        Middleware(
            TracesMiddleware, path=path, intake=_lazily(wanted, experiments), experiments=experiments, limit=limit
        ),
    )


def _anyone(_scope: Scope, _experiment_id: str) -> bool:
    return True


def traces_path(app: Starlette, prefix: str) -> str:
    """Return the path of the app's OTLP endpoint.

    Args:
        app: MLflow's FastAPI app.
        prefix: `--static-prefix`, which some versions of MLflow apply to the endpoint.

    Raises:
        UnsupportedServerError: the app has no OTLP endpoint.
    """
    for path in (prefix + _TRACES_PATH, _TRACES_PATH):
        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": path, "root_path": "", "headers": []}
        found = next((route for route in app.router.routes if route.matches(scope)[0] is Match.FULL), None)
        # MLflow mounts its Flask app for all other paths.
        if found is not None and not isinstance(found, Mount):
            return path
    raise UnsupportedServerError("--app-name otel-dspy: this MLflow server has no OTLP endpoint")


def _lazily(wanted: BridgeSettings, experiments: RequestExperimentRouter) -> Callable[[], Intake]:
    """Return a function that creates the intake and its writer thread on the first call."""

    @functools.cache
    def create() -> Intake:
        writer = RequestWriter(wanted.max_waiting_bytes)
        return Intake(writer, experiments, Metrics(writer), wanted)

    return create
