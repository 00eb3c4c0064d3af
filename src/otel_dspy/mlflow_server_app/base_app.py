"""MLflow app that the server app extends: its tracking server, or that one with authentication, `basic-auth`.

`mlflow server` prepares `basic-auth` only where that is the name of the app, so this module does it in its place, with
functions of MLflow that are looked up by name.
"""

from __future__ import annotations

import asyncio
import importlib
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from mlflow.exceptions import MlflowException

from otel_dspy.mlflow_server_app import mlflow_ingest
from otel_dspy.mlflow_server_app.requirements import AUTH_APP, wants_authentication
from otel_dspy.mlflow_server_app.unsupported_error import UnsupportedServerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.applications import Starlette

_KEY_VARIABLE: Final = "MLFLOW_FLASK_SERVER_SECRET_KEY"
_PREPARATION: Final = ("get_flask_server_secret_key", "bootstrap_admin_user")
"""What `mlflow server --app-name basic-auth` calls before it starts workers. Both are idempotent; older versions of
MLflow have neither, and leave it to each worker."""


def prepare(environment: Mapping[str, str]) -> None:
    """Create the administrator's account, so that what is missing ends the command instead of each worker.

    Args:
        environment: environment variables of `mlflow server`.

    Raises:
        UnsupportedServerError: MLflow's authentication is not installed or not configured.
    """
    if not wants_authentication(environment):
        return
    if not environment.get(_KEY_VARIABLE):
        raise UnsupportedServerError(f"MLflow's {AUTH_APP} needs {_KEY_VARIABLE}: set it to a secret text.")
    try:
        # It exports these names for its own command; annotations of MLflow's server are incomplete.
        auth: Any = importlib.import_module("mlflow.server.auth")
        for name in _PREPARATION:
            step = getattr(auth, name, None)
            if callable(step):
                step()
    except (ImportError, MlflowException) as error:
        raise UnsupportedServerError(f"MLflow's {AUTH_APP} cannot start: {error}") from error


def create(environment: Mapping[str, str]) -> Starlette:
    """Return MLflow's FastAPI app.

    Args:
        environment: environment variables of the server's worker.

    Raises:
        UnsupportedServerError: MLflow's authentication is wanted, and this MLflow has none for a FastAPI app.
    """
    from mlflow.server import fastapi_app  # noqa: PLC0415 - sets up MLflow's server, which only a worker needs
    from starlette.applications import Starlette  # noqa: PLC0415 - as above

    if not wants_authentication(environment):
        return fastapi_app.app
    found = next(iter(entry_points(group="mlflow.app", name=AUTH_APP)), None)
    made = found.load()() if found is not None else None
    if not isinstance(made, Starlette):
        raise UnsupportedServerError(f"This MLflow's {AUTH_APP} is not a FastAPI app: upgrade MLflow.")
    return made


def check_protected(app: Starlette, path: str) -> None:
    """Check that the app rejects a request to its OTLP endpoint that has no credentials.

    The server app relies on MLflow's check: it has none of its own.

    Args:
        app: MLflow's app with authentication.
        path: path of its OTLP endpoint.

    Raises:
        UnsupportedServerError: the endpoint does not answer 401.
    """
    stack = app.build_middleware_stack()  # a copy: the app itself can be extended until it has its own
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 0), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    with ThreadPoolExecutor(1) as pool:  # the event loop of uvicorn's worker runs in this thread
        answer = pool.submit(asyncio.run, mlflow_ingest.ingest(stack, scope, b"", None)).result()
    if answer.status != HTTPStatus.UNAUTHORIZED:
        raise UnsupportedServerError(
            f"MLflow's {AUTH_APP} answers {answer.status} instead of 401 to a request without credentials on {path}: "
            f"upgrade MLflow, or run --app-name {AUTH_APP} and `otel-dspy bridge` beside it."
        )
