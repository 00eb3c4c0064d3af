"""A web service that knows nothing of telemetry: each request is one program call, answered with its worker's id."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import dspy
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.support.addition_task import addition_lm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.requests import Request

dspy.configure(lm=addition_lm())
program = dspy.Predict("question -> answer")
program(question="0+0")  # warms up, in the parent where it preloads


def answered(question: str) -> dict[str, Any]:
    """Who answered. It takes a moment, so that every worker gets its share."""
    program(question=question)
    time.sleep(0.05)
    return {"process": os.getpid()}


def _asgi(request: Request) -> JSONResponse:
    return JSONResponse(answered(request.query_params["question"].replace(" ", "+")))


asgi = Starlette(routes=[Route("/", _asgi)])


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """The same for gunicorn's own workers."""
    question = environ["QUERY_STRING"].removeprefix("question=").replace("%2B", "+")
    body = JSONResponse(answered(question)).body
    start_response("200 OK", [("Content-Type", "application/json")])
    return [bytes(body)]
