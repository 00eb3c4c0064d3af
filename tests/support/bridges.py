"""In-process bridges, and OTLP exporters that send to them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

from otel_dspy.bridge.configuration.listen_addresses import Address
from otel_dspy.bridge.configuration.settings import BridgeSettings
from otel_dspy.bridge.service import Bridge

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.sdk.trace.export import SpanExporter

ANYWHERE = Address("127.0.0.1", 0)
"""A free port of the loopback interface."""
PATIENCE = 120.0
"""Seconds that exporters and bridges wait here: the machine may be busy."""


@contextmanager
def running_bridge(tracking_uri: str, experiment: str, **settings: Any) -> Generator[Bridge]:
    """A bridge for as long as the block lasts."""
    wanted: dict[str, Any] = {"http": ANYWHERE, "grpc": ANYWHERE, "patience": PATIENCE} | settings
    bridge = Bridge(BridgeSettings(tracking_uri=tracking_uri, experiment=experiment, **wanted), PATIENCE)
    bridge.start()
    try:
        yield bridge
    finally:
        bridge.stop()


def exporter(bridge: Bridge, protocol: str, **options: Any) -> SpanExporter:
    """OpenTelemetry's own exporter, `http` (compressed) or `grpc`, to a bridge."""
    if protocol == "grpc":
        return GrpcExporter(f"http://127.0.0.1:{bridge.grpc_port}", timeout=PATIENCE, **options)
    address = f"http://127.0.0.1:{bridge.http_port}/v1/traces"
    return HttpExporter(address, timeout=PATIENCE, compression=Compression.Gzip, **options)
