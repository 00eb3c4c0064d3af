"""Requirements of the app on the installed packages and on the server's options, detected by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.environment.optional_modules import is_installed
from otel_dspy.environment.variable_names import SERVER_APP_BASE
from otel_dspy.mlflow_server_app.unsupported_error import UnsupportedServerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NEEDED: Final = ("google.rpc.status_pb2", "opentelemetry.proto", "opentelemetry.sdk", "prometheus_client", "starlette")
"""Modules that the app imports in addition to MLflow, each provided by the extra `bridge`."""
_OTLP: Final = ("mlflow.server.fastapi_app", "mlflow.server.otel_api")
"""MLflow's FastAPI server and its OTLP endpoint, which MLflow 3.4 added."""
_AUTH_CONFIGURATION: Final = "MLFLOW_AUTH_CONFIG_PATH"
AUTH_APP: Final = "basic-auth"
"""Name of MLflow's app with authentication."""
_WITH_AUTH: Final = f"Set {SERVER_APP_BASE}={AUTH_APP}"
_SERVER_KIND: Final = "_MLFLOW_SGI_NAME"
"""Environment variable that MLflow sets to the name of its ASGI or WSGI server."""


def check_installed() -> None:
    """Check the installed packages.

    Raises:
        UnsupportedServerError: MLflow has no OTLP endpoint or stores no traces, or a package is missing.
    """
    missing = [name for name in NEEDED if not is_installed(name)]
    if missing:
        raise UnsupportedServerError(f"{', '.join(missing)} not installed: pip install 'otel-dspy[bridge]'")
    from otel_dspy.mlflow.tracking.store import capabilities  # noqa: PLC0415 - imports MLflow, which the line above does not need

    if not (all(is_installed(name) for name in _OTLP) and capabilities.TRACES):
        raise UnsupportedServerError(
            f"--app-name otel-dspy: MLflow {capabilities.mlflow_version} has no OTLP endpoint that stores traces. "
            "Upgrade MLflow to 3.7 or newer, or omit --app-name and run `otel-dspy bridge`."
        )


def check_command(arguments: Sequence[str]) -> None:
    """Check the command line of `mlflow server`, which uses the last of several apps.

    Args:
        arguments: `sys.argv`.

    Raises:
        UnsupportedServerError: the command names MLflow's authentication, which would not be in force.
    """
    if not {AUTH_APP, f"--app-name={AUTH_APP}"}.isdisjoint(arguments):
        raise UnsupportedServerError(
            f"--app-name otel-dspy cannot be combined with --app-name {AUTH_APP}: `mlflow server` runs the last of "
            f"them alone. {_WITH_AUTH} and omit --app-name {AUTH_APP}."
        )


def wants_authentication(environment: Mapping[str, str]) -> bool:
    """Return whether the server app extends MLflow's app with authentication.

    Args:
        environment: environment variables of the server.

    Raises:
        UnsupportedServerError: another app is named.
    """
    base = environment.get(SERVER_APP_BASE, "")
    if base not in {"", AUTH_APP}:
        raise UnsupportedServerError(
            f"{SERVER_APP_BASE}={base}: only {AUTH_APP} can be extended. Unset it or use that."
        )
    return base == AUTH_APP


def check_options(environment: Mapping[str, str]) -> None:
    """Check the options of `mlflow server`, as its worker receives them.

    Args:
        environment: environment variables of the worker.

    Raises:
        UnsupportedServerError: the server is not uvicorn, or authentication is configured but not chosen.
    """
    server = environment.get(_SERVER_KIND, "uvicorn")
    if server != "uvicorn":
        raise UnsupportedServerError(
            f"--app-name otel-dspy needs uvicorn, MLflow's default: {server} serves no OTLP. Omit --{server}-opts."
        )
    if environment.get(_AUTH_CONFIGURATION) and not wants_authentication(environment):
        raise UnsupportedServerError(
            f"{_AUTH_CONFIGURATION} is set, but --app-name otel-dspy has no authentication of its own. "
            f"{_WITH_AUTH}, or unset {_AUTH_CONFIGURATION}."
        )
