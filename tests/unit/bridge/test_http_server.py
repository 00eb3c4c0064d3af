"""What a client of OTLP/HTTP is answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from google.rpc import code_pb2
from google.rpc.status_pb2 import Status

from otel_dspy.bridge.configuration.listen_addresses import Address
from otel_dspy.bridge.configuration.settings import BridgeSettings
from otel_dspy.bridge.request_answer import RETRY_AFTER
from otel_dspy.bridge.servers.http_server import PROTOBUF, HttpFront

if TYPE_CHECKING:
    from otel_dspy.bridge.intake import Intake
    from otel_dspy.bridge.metrics import Metrics

SETTINGS = BridgeSettings(tracking_uri="http://127.0.0.1:9", http=Address("127.0.0.1", 0))
REQUEST: dict[str, Any] = {
    "type": "http", "method": "POST", "path": "/v1/traces", "query_string": b"",
    "headers": [(b"content-type", PROTOBUF.encode())],
}  # fmt: skip


async def test_waiting_clients_get_a_retryable_error_when_the_bridge_ends() -> None:
    """The web server cancels what waits longer than its grace: that is a 503 with Retry-After, not a final 500."""
    taken = asyncio.Event()

    class Waits:
        async def take(self, *_args: object, **_more: object) -> None:
            taken.set()
            await asyncio.Event().wait()

    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    front = HttpFront(SETTINGS, cast("Intake", Waits()), cast("Metrics", None), lambda: None)
    answering = asyncio.ensure_future(front.app(REQUEST, receive, send))
    await taken.wait()
    answering.cancel("Task cancelled, timeout graceful shutdown exceeded")
    await answering
    begin, body = sent
    assert (begin["status"], dict(begin["headers"])[b"retry-after"]) == (503, str(RETRY_AFTER).encode())
    status = Status.FromString(body["body"])
    assert (status.code, status.message) == (
        code_pb2.UNAVAILABLE,
        "the bridge is shutting down; send the request again",
    )
