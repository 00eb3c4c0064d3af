"""An OTLP/HTTP receiver on a free loopback port that keeps what it was sent.

with otlp_receiver() as receiver:
    ...  # OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint
    receiver.spans()
"""

from __future__ import annotations

import gzip
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class OtlpReceiver:
    """Handle on a running receiver."""

    endpoint: str
    """`http://127.0.0.1:<port>`; exporters add `/v1/traces` themselves."""
    bodies: list[bytes] = field(default_factory=list[bytes])
    """The unzipped bodies of all requests, of any signal, in order."""
    traces: list[bytes] = field(default_factory=list[bytes])
    """Those of `/v1/traces`."""

    def spans(self) -> list[Span]:
        """Every span received."""
        return [
            span
            for body in list(self.traces)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@contextmanager
def otlp_receiver() -> Generator[OtlpReceiver]:
    """Receive until the block ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.receiver = OtlpReceiver(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="otlp-receiver")
    thread.start()
    try:
        yield server.receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    receiver: OtlpReceiver


class _Handler(BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] - the server that this handler is made for

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.receiver.bodies.append(body)
        if self.path == "/v1/traces":
            self.server.receiver.traces.append(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass
