"""Path of MLflow's OTLP endpoint, which depends on MLflow's version and on `--static-prefix`."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette

from otel_dspy.mlflow_server_app.middleware_installation import traces_path
from otel_dspy.mlflow_server_app.unsupported_error import UnsupportedServerError


def app(*prefixes: str) -> FastAPI:
    """An app as MLflow's: the endpoint below these prefixes, and Flask, here a Starlette app, for all other paths."""
    made, router = FastAPI(), APIRouter(prefix="/v1/traces")
    router.add_api_route("", lambda: None, methods=["POST"])
    for prefix in prefixes:
        made.include_router(router, prefix=prefix)
    made.mount("/", Starlette())
    return made


@pytest.mark.parametrize(("prefixes", "expected"), [(("/p",), "/p/v1/traces"), (("",), "/v1/traces")])
def test_the_path_is_that_of_the_route(prefixes: tuple[str, ...], expected: str) -> None:
    """Older versions of MLflow do not apply the prefix to it."""
    assert traces_path(app(*prefixes), "/p") == expected


def test_without_an_endpoint_the_app_is_rejected() -> None:
    """Flask's catch-all route is none."""
    with pytest.raises(UnsupportedServerError, match="has no OTLP endpoint"):
        traces_path(app(), "/p")
