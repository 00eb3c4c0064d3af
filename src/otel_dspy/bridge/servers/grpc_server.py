"""OTLP/gRPC server of the bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import grpc
import grpc.aio
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otel_dspy.bridge.configuration.access_control import is_allowed
from otel_dspy.bridge.decompression import UnreadableError
from otel_dspy.bridge.experiment_routing import EXPERIMENT_HEADER, WORKSPACE_HEADER
from otel_dspy.bridge.request_answer import RETRY_AFTER, RequestStatus
from otel_dspy.otlp_requests.protobuf_spans import TooLargeError

if TYPE_CHECKING:
    from otel_dspy.bridge.configuration.settings import BridgeSettings
    from otel_dspy.bridge.intake import Intake

SERVICE: Final = "opentelemetry.proto.collector.trace.v1.TraceService"
RETRY_INFO: Final = "google.rpc.retryinfo-bin"
"""Trailing metadata with the retry delay. Without it OTLP clients may treat some status codes as not retryable."""
STREAMS: Final = 16
"""Concurrent requests of a connection; further ones wait in the client."""
IDLE: Final = 300_000
"""Milliseconds after which an idle connection is closed; clients reconnect when needed."""
KEEPALIVE: Final = 60_000
"""Milliseconds without traffic after which a client is pinged."""
KEEPALIVE_ANSWER: Final = 20_000
"""Milliseconds a client has to answer a ping."""


class GrpcFront:
    """OTLP/gRPC server. For one event loop."""

    def __init__(self, settings: BridgeSettings, intake: Intake, address: str) -> None:
        """Create the server and bind the port.

        Args:
            settings: limits, token and certificates.
            intake: handles requests.
            address: `host:port`.

        Raises:
            RuntimeError: the port cannot be bound.
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
            # Clients may ping as often as the server does; gRPC's default would close their connections.
            ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE),
            ("grpc.so_reuseport", 0),  # a second bridge on the same port is a configuration error
        ]
        # grpcio has no types.
        self._server: Any = cast("Any", grpc.aio).server(options=options)
        # Same as unary on the wire, but the message is not read before there is memory for it.
        handler: Any = cast("Any", grpc).stream_unary_rpc_method_handler(
            self._export,
            # Raw bytes, so that a parse error is answered INVALID_ARGUMENT and not as a server error.
            request_deserializer=None,
            response_serializer=ExportTraceServiceResponse.SerializeToString,
        )
        self._server.add_generic_rpc_handlers(
            (cast("Any", grpc).method_handlers_generic_handler(SERVICE, {"Export": handler}),)
        )
        self.port: int = self._add_port(address)
        """Port that the server is bound to."""

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
        """Start the server."""
        await self._server.start()

    async def stop(self, grace: float) -> None:
        """Stop accepting requests; those in progress have `grace` seconds to finish."""
        await self._server.stop(grace)

    async def _body(self, context: Any) -> bytes:  # noqa: ANN401 - grpc.aio.ServicerContext, untyped
        body: object = await context.read()
        if not isinstance(body, bytes):
            raise UnreadableError("the request contains no message")
        if len(body) > self._settings.max_request_bytes:
            # gRPC checks the size before it decompresses.
            raise TooLargeError(f"the uncompressed request exceeds {self._settings.max_request_bytes} bytes")
        return body

    async def _export(self, _: object, context: Any) -> ExportTraceServiceResponse:  # noqa: ANN401 - grpc.aio.ServicerContext, untyped
        metadata = {str(name): value for name, value in context.invocation_metadata() or ()}
        if not is_allowed(self._settings.token, metadata.get("authorization")):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "missing or invalid bearer token")
        answer = await self._intake.take(
            lambda: self._body(context),
            protocol="grpc",
            experiment=metadata.get(EXPERIMENT_HEADER),
            workspace=metadata.get(WORKSPACE_HEADER),
        )
        if answer.status is RequestStatus.MALFORMED:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, answer.message)
        if answer.status is RequestStatus.LATER:
            delay = RetryInfo(retry_delay=Duration(seconds=RETRY_AFTER)).SerializeToString()
            await context.abort(grpc.StatusCode.UNAVAILABLE, answer.message, ((RETRY_INFO, delay),))
        if answer.status is RequestStatus.TOO_LARGE:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, answer.message)
        response = ExportTraceServiceResponse()
        if answer.message:
            response.partial_success.rejected_spans = answer.rejected
            response.partial_success.error_message = answer.message
        return response
