"""OTLP over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import grpc
import grpc.aio
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otel_dspy.bridge.access import is_allowed
from otel_dspy.bridge.decompression import TooLargeError, UnreadableError
from otel_dspy.bridge.intake import RETRY_AFTER, Verdict
from otel_dspy.bridge.routing import EXPERIMENT_HEADER, WORKSPACE_HEADER

if TYPE_CHECKING:
    from otel_dspy.bridge.intake import Intake
    from otel_dspy.bridge.settings import BridgeSettings

SERVICE: Final = "opentelemetry.proto.collector.trace.v1.TraceService"
RETRY_INFO: Final = "google.rpc.retryinfo-bin"
"""Trailing metadata that says when to come again: without it a client of OTLP may take some codes for final."""
STREAMS: Final = 16
"""Requests of a connection at once; further ones wait at the client."""
IDLE: Final = 300_000
"""Milliseconds after which a connection without requests is closed; its client opens another when it needs one."""
KEEPALIVE: Final = 60_000
"""Milliseconds after which a client that says nothing is asked whether it lives."""
KEEPALIVE_ANSWER: Final = 20_000
"""Milliseconds that it has to answer."""


class GrpcFront:
    """The gRPC side of a bridge. For one event loop."""

    def __init__(self, settings: BridgeSettings, intake: Intake, address: str) -> None:
        """Create it and take the port.

        Args:
            settings: limits, token and certificates.
            intake: takes requests.
            address: `host:port`.

        Raises:
            RuntimeError: the port cannot be had.
        """
        self._settings = settings
        self._intake = intake
        options = [
            ("grpc.max_receive_message_length", settings.max_request_bytes),
            ("grpc.max_concurrent_streams", STREAMS),
            ("grpc.max_allowed_incoming_connections", settings.max_connections),
            ("grpc.max_connection_idle_ms", IDLE),
            ("grpc.keepalive_time_ms", KEEPALIVE),
            ("grpc.keepalive_timeout_ms", KEEPALIVE_ANSWER),
            # Clients may ask as often as we do; gRPC would cut them off.
            ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE),
            ("grpc.so_reuseport", 0),  # a second bridge on the port is a mistake, not a partner
        ]
        # grpcio has no types.
        self._server: Any = cast("Any", grpc.aio).server(options=options)
        # On the wire the same as one message each way; but here it is not taken in before there is room for it.
        handler: Any = cast("Any", grpc).stream_unary_rpc_method_handler(
            self._export,
            # As bytes: what cannot be read is told as malformed, not as a failure of the server.
            request_deserializer=None,
            response_serializer=ExportTraceServiceResponse.SerializeToString,
        )
        self._server.add_generic_rpc_handlers(
            (cast("Any", grpc).method_handlers_generic_handler(SERVICE, {"Export": handler}),)
        )
        self.port: int = self._add_port(address)
        """The one that it listens on."""

    def _add_port(self, address: str) -> int:
        tls = self._settings.tls
        if tls is None:
            return int(self._server.add_insecure_port(address))
        credentials: Any = cast("Any", grpc).ssl_server_credentials(
            [(tls.key.read_bytes(), tls.certificate.read_bytes())],
            root_certificates=tls.client_authority.read_bytes() if tls.client_authority else None,
            require_client_auth=tls.client_authority is not None,
        )
        return int(self._server.add_secure_port(address, credentials))

    async def start(self) -> None:
        """Listen."""
        await self._server.start()

    async def stop(self, grace: float) -> None:
        """Take nothing more; what is under way has `grace` seconds."""
        await self._server.stop(grace)

    async def _body(self, context: Any) -> bytes:  # noqa: ANN401 - grpc.aio.ServicerContext, untyped
        body: object = await context.read()
        if not isinstance(body, bytes):
            raise UnreadableError("there is no message")
        if len(body) > self._settings.max_request_bytes:
            # gRPC itself looks at the size before it unzips.
            raise TooLargeError("it is too large, unzipped")
        return body

    async def _export(self, _: object, context: Any) -> ExportTraceServiceResponse:  # noqa: ANN401 - grpc.aio.ServicerContext, untyped
        metadata = {str(name): value for name, value in context.invocation_metadata() or ()}
        if not is_allowed(self._settings.token, metadata.get("authorization")):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "a bearer token is needed")
        answer = await self._intake.take(
            lambda: self._body(context),
            protocol="grpc",
            experiment=metadata.get(EXPERIMENT_HEADER),
            workspace=metadata.get(WORKSPACE_HEADER),
        )
        if answer.verdict is Verdict.MALFORMED:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, answer.message)
        if answer.verdict is Verdict.LATER:
            delay = RetryInfo(retry_delay=Duration(seconds=RETRY_AFTER)).SerializeToString()
            await context.abort(grpc.StatusCode.UNAVAILABLE, answer.message, ((RETRY_INFO, delay),))
        if answer.verdict is Verdict.TOO_LARGE:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, answer.message)
        response = ExportTraceServiceResponse()
        if answer.message:
            response.partial_success.rejected_spans = answer.refused
            response.partial_success.error_message = answer.message
        return response
