"""OTLP/HTTP receiver on a free loopback port that keeps the received requests.

with otlp_receiver() as receiver:
    ...  # OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint
    receiver.spans()
"""

from __future__ import annotations

import gzip
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from tests.support.loopback_server import LoopbackHandler, running

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue
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

    def ended_spans(self) -> list[ReadableSpan]:
        """Every span received, as the SDK has it in the process that sent it."""
        return [
            _readable(span, scope.scope.name)
            for body in list(self.traces)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def _readable(span: Span, scope: str) -> ReadableSpan:
    return ReadableSpan(
        span.name,
        _context(span.trace_id, span.span_id),
        _context(span.trace_id, span.parent_span_id) if span.parent_span_id else None,
        attributes={attribute.key: _value(attribute.value) for attribute in span.attributes},
        links=[Link(_context(link.trace_id, link.span_id)) for link in span.links],
        # OTLP's numbers are one more: 0 is unspecified.
        kind=SpanKind(span.kind - 1),
        instrumentation_scope=InstrumentationScope(scope),
        status=Status(StatusCode(span.status.code), span.status.message or None),
        start_time=span.start_time_unix_nano,
        end_time=span.end_time_unix_nano,
    )


def _context(trace_id: bytes, span_id: bytes) -> SpanContext:
    return SpanContext(int.from_bytes(trace_id), int.from_bytes(span_id), is_remote=True, trace_flags=TraceFlags(1))


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(_value(item) for item in value.array_value.values)
    return getattr(value, str(kind))


@contextmanager
def otlp_receiver(pause: float = 0) -> Generator[OtlpReceiver]:
    """Receive until the block ends, and wait `pause` seconds before each answer."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.pause = pause
    server.receiver = OtlpReceiver(f"http://127.0.0.1:{server.server_address[1]}")
    with running(server):
        yield server.receiver


class _Server(ThreadingHTTPServer):
    receiver: OtlpReceiver
    pause: float


class _Handler(LoopbackHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] - the server that this handler is made for

    def do_POST(self) -> None:
        body = self.read_body()
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.receiver.bodies.append(body)
        if self.path == "/v1/traces":
            self.server.receiver.traces.append(body)
        time.sleep(self.server.pause)
        self.answer(200)
