"""Requests to MLflow's own OTLP endpoint, within the server's process."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge.servers.http_responses import PROTOBUF

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

EXPERIMENT_HEADER: Final = b"x-mlflow-experiment-id"
_OF_THE_BODY: Final = frozenset({b"content-encoding", b"content-length", b"content-type", b"transfer-encoding"})


@dataclass(frozen=True, slots=True)
class MlflowAnswer:
    """Response of MLflow's endpoint.

    Attributes:
        messages: ASGI messages of the response.
    """

    messages: tuple[Message, ...]

    @property
    def status(self) -> int | None:
        """HTTP status; None if there is no response."""
        return next((message["status"] for message in self.messages if "status" in message), None)

    @property
    def stored(self) -> bool:
        """Whether MLflow has stored the spans."""
        return self.status == HTTPStatus.OK

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the response, as an ASGI app does."""
        for message in self.messages:
            await send(message)


async def ingest(app: ASGIApp, scope: Scope, body: bytes, experiment_id: str | None) -> MlflowAnswer:
    """Send spans to MLflow's endpoint and return its answer.

    Args:
        app: MLflow's app below the middleware.
        scope: ASGI scope of the client's request, whose other headers are kept.
        body: `ExportTraceServiceRequest` in protobuf, not compressed.
        experiment_id: experiment, for a request without MLflow's header; None for the header of the request.
    """
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in _OF_THE_BODY]
    headers += [(b"content-type", PROTOBUF.encode()), (b"content-length", str(len(body)).encode())]
    if experiment_id is not None:
        headers = [(name, value) for name, value in headers if name.lower() != EXPERIMENT_HEADER]
        headers.append((EXPERIMENT_HEADER, experiment_id.encode()))
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app({**scope, "headers": headers}, receive, send)
    return MlflowAnswer(tuple(sent))
