"""OTLP/HTTP server of the bridge, with `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from otel_dspy.bridge.configuration.access_control import is_allowed
from otel_dspy.bridge.decompression import UnreadableError, decompressed
from otel_dspy.bridge.experiment_routing import EXPERIMENT_HEADER, WORKSPACE_HEADER
from otel_dspy.bridge.servers import http_responses
from otel_dspy.bridge.servers.http_responses import JSON, PROTOBUF
from otel_dspy.otlp_requests.protobuf_spans import TooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from otel_dspy.bridge.configuration.settings import BridgeSettings
    from otel_dspy.bridge.intake import Intake
    from otel_dspy.bridge.metrics import Metrics


class HttpFront:
    """OTLP/HTTP server."""

    def __init__(
        self, settings: BridgeSettings, intake: Intake, metrics: Metrics, trouble: Callable[[], str | None]
    ) -> None:
        """Create the ASGI application.

        Args:
            settings: limits and token.
            intake: handles requests.
            metrics: content of `/metrics`.
            trouble: returns why the bridge is not ready, or None if it is. May block on MLflow.
        """
        self._settings = settings
        self._intake = intake
        self._metrics = metrics
        self._trouble = trouble
        self.app = Starlette(
            routes=[
                Route("/v1/traces", self._traces, methods=["POST"]),
                Route("/healthz", self._healthy),
                Route("/readyz", self._ready),
                Route("/metrics", self._counters),
            ]
        )

    async def _healthy(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _ready(self, _request: Request) -> Response:
        trouble = await run_in_threadpool(self._trouble)
        if trouble:
            return PlainTextResponse(f"{trouble}\n", HTTPStatus.SERVICE_UNAVAILABLE)
        return PlainTextResponse("ready\n")

    async def _counters(self, request: Request) -> Response:
        if not is_allowed(self._settings.token, request.headers.get("authorization")):
            return PlainTextResponse("missing or invalid bearer token\n", HTTPStatus.UNAUTHORIZED)
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _traces(self, request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        as_json = kind == JSON
        if not is_allowed(self._settings.token, request.headers.get("authorization")):
            return http_responses.failure(HTTPStatus.UNAUTHORIZED, "missing or invalid bearer token", as_json=as_json)
        if kind not in {JSON, PROTOBUF}:
            return http_responses.failure(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"send {PROTOBUF} or {JSON}",
                as_json=False,
            )
        try:
            answer = await self._intake.take(
                lambda: self._body(request),
                protocol="http",
                json=as_json,
                experiment=request.headers.get(EXPERIMENT_HEADER),
                workspace=request.headers.get(WORKSPACE_HEADER),
            )
        except asyncio.CancelledError:
            # The drain timeout has expired. uvicorn would answer 500, which clients do not retry.
            return http_responses.failure(
                HTTPStatus.SERVICE_UNAVAILABLE, "the bridge is shutting down; send the request again", as_json=as_json
            )
        return http_responses.response(answer, as_json=as_json)

    async def _body(self, request: Request) -> bytes:
        limit = self._settings.max_request_bytes
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            raise TooLargeError(f"the request exceeds {limit} bytes")
        parts: list[bytes] = []
        size = 0
        try:
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise TooLargeError(f"the request exceeds {limit} bytes")
                parts.append(part)
        except ClientDisconnect as error:
            raise UnreadableError("the client disconnected") from error
        encoding = request.headers.get("content-encoding", "")
        return await run_in_threadpool(decompressed, b"".join(parts), encoding, limit)
