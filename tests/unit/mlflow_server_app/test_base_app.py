"""MLflow's app with authentication as the base: refused where it would not protect the endpoint."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from starlette.middleware import Middleware

from otel_dspy.mlflow_server_app.base_app import check_protected, prepare
from otel_dspy.mlflow_server_app.unsupported_error import UnsupportedServerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "/v1/traces"


class Noting:
    """Stands for the middleware of otel-dspy: notes the paths that it gets."""

    def __init__(self, app: ASGIApp, paths: list[str]) -> None:
        """Create it, above `app`."""
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note a request and pass it on."""
        self._paths.append(scope["path"])
        await self._app(scope, receive, send)


def app(*, protected: bool) -> FastAPI:
    """An app as MLflow's with `basic-auth`, which adds its check of credentials last."""
    made = FastAPI()
    made.add_api_route(PATH, lambda: None, methods=["POST"])

    async def check(request: Request, below: Callable[[Request], Awaitable[Response]]) -> Response:
        if protected and "authorization" not in request.headers:
            return PlainTextResponse("no", status_code=401)
        return await below(request)

    made.middleware("http")(check)
    return made


def test_a_protected_endpoint_can_be_extended_after_the_check() -> None:
    """Also from a thread with an event loop, as uvicorn's; a middleware that is appended then is below MLflow's check."""
    made, paths = app(protected=True), list[str]()

    async def in_worker() -> None:
        check_protected(made, PATH)

    asyncio.run(in_worker())
    made.user_middleware.append(Middleware(Noting, paths=paths))
    check_protected(made, PATH)
    assert paths == []


def test_an_open_endpoint_is_rejected() -> None:
    """As that of MLflow 3.7 with `basic-auth`."""
    with pytest.raises(UnsupportedServerError) as raised:
        check_protected(app(protected=False), PATH)
    assert raised.value.message == (
        "MLflow's basic-auth answers 200 instead of 401 to a request without credentials on /v1/traces: upgrade MLflow, "
        "or run --app-name basic-auth and `otel-dspy bridge` beside it."
    )


def test_without_a_secret_key_the_command_ends() -> None:
    """Each worker would fail otherwise, and be started again."""
    with pytest.raises(UnsupportedServerError) as raised:
        prepare({"OTEL_DSPY_SERVER_APP_BASE": "basic-auth"})
    assert raised.value.message == "MLflow's basic-auth needs MLFLOW_FLASK_SERVER_SECRET_KEY: set it to a secret text."


@pytest.mark.parametrize(
    ("environment", "steps"),
    [
        pytest.param({}, [], id="MLflow's tracking server, which needs no secret key"),
        pytest.param(
            {"OTEL_DSPY_SERVER_APP_BASE": "basic-auth", "MLFLOW_FLASK_SERVER_SECRET_KEY": "quiet-river"},
            ["get_flask_server_secret_key", "bootstrap_admin_user"],
            id="basic-auth",
        ),
    ],
)
def test_authentication_is_prepared_once_where_it_is_on(
    environment: dict[str, str], steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the workers start: the secret key is read, and the administrator is created."""
    called: list[str] = []
    names = ("get_flask_server_secret_key", "bootstrap_admin_user")
    auth = SimpleNamespace(**{name: partial(called.append, name) for name in names})
    monkeypatch.setitem(sys.modules, "mlflow.server.auth", auth)
    prepare(environment)
    assert called == steps
