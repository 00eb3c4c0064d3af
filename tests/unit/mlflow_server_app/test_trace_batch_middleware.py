"""What the middleware of trace batches does with a request that ends early or is denied.

`test_trace_batches.py` has whole ones.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from mlflow.entities import Feedback, TraceInfo, TraceLocation, TraceState
from starlette.middleware.base import BaseHTTPMiddleware

from otel_dspy.mlflow.tracking.store.traces.trace_batch import EXPERIMENT_HEADER, MEDIA_TYPE, InfoWrite, encoded
from otel_dspy.mlflow_server_app.trace_batch_middleware import TraceBatchMiddleware

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Message, Receive, Scope, Send


async def mlflow(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Stands for MLflow's app below the middleware, which gets no batch."""
    raise AssertionError


def granted(_scope: Scope, _experiment_id: str) -> bool:
    """Any user may write assessments."""
    return True


async def passed_on(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """A middleware around it, as MLflow's own are."""
    return await call_next(request)


def test_a_client_that_disconnects_while_it_sends() -> None:
    """Nothing is written, and MLflow's middlewares raise no error, as they do for a request without a response."""
    middleware = TraceBatchMiddleware(mlflow, path="/v1/traces", tracking_uri="", limit=100, may_assess=granted)
    messages: list[Message] = [
        {"type": "http.request", "body": b"\n", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0) if len(messages) > 1 else messages[0]

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", MEDIA_TYPE.encode()), (EXPERIMENT_HEADER.encode(), b"1")]
    scope = {"type": "http", "method": "POST", "path": "/v1/traces", "headers": headers}
    asyncio.run(BaseHTTPMiddleware(middleware, passed_on)(scope, receive, send))
    assert sent[0]["status"] == 400


def denied(_scope: Scope, _experiment_id: str) -> bool:
    """No user may write assessments."""
    return False


@pytest.mark.parametrize(
    ("experiment", "status", "reason"),
    [
        ("1", 403, b"the user must not write assessments"),
        ("2", 400, b"a trace info is of another experiment than the request"),
    ],
)
def test_a_batch_that_may_not_be_written(experiment: str, status: int, reason: bytes) -> None:
    """MLflow has checked the permission for spans in the header's experiment, and no more than that."""
    middleware = TraceBatchMiddleware(mlflow, path="/v1/traces", tracking_uri="", limit=10_000, may_assess=denied)
    where = TraceLocation.from_experiment_id(experiment)
    score = Feedback(name="score", value=1.0, trace_id="tr-1")
    info = TraceInfo("tr-1", where, 1, TraceState.OK, assessments=[score])
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": encoded(InfoWrite(info, exists=False))}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", MEDIA_TYPE.encode()), (EXPERIMENT_HEADER.encode(), b"1")]
    asyncio.run(middleware({"type": "http", "method": "POST", "path": "/v1/traces", "headers": headers}, receive, send))
    assert (sent[0]["status"], sent[1]["body"]) == (status, reason)
