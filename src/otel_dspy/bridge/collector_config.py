"""Configuration of an OpenTelemetry Collector in front of a bridge (`otel-dspy bridge --print-collector-config`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.bridge.configuration.setting_definitions import MEBIBYTE
from otel_dspy.environment.variable_names import BRIDGE_TOKEN

if TYPE_CHECKING:
    from otel_dspy.bridge.configuration.settings import BridgeSettings

_TEMPLATE: Final = """\
# Receives OTLP and queues it on disk until the bridge acknowledges it.
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:14317
        max_recv_msg_size_mib: {mebibytes}
      http:
        endpoint: 127.0.0.1:14318
        max_request_body_size: {largest}

processors:
  memory_limiter:
    check_interval: 1s
    limit_percentage: 80
    spike_limit_percentage: 20

extensions:
  file_storage:
    directory: ${{env:OTELCOL_QUEUE_DIR}}
    create_directory: true
  health_check:
    endpoint: 127.0.0.1:13133

exporters:
  {exporter}/bridge:
    endpoint: {endpoint}
    tls:
      insecure: {insecure}
{headers}\
    # Longer than the bridge's --patience, so that the bridge answers first.
    timeout: {timeout:g}s
    retry_on_failure:
      enabled: true
      initial_interval: 1s
      max_interval: 30s
      max_elapsed_time: 0s  # no limit: nothing is dropped
    sending_queue:
      enabled: true
      storage: file_storage
      sizer: bytes
      queue_size: 1073741824
      block_on_overflow: true
      batch:
        sizer: bytes
        flush_timeout: 1s
        min_size: 65536
        max_size: {largest}  # a larger span is dropped

service:
  extensions: [file_storage, health_check]
  pipelines:
    traces:
      receivers: [otlp]
      processors: [memory_limiter]
      exporters: [{exporter}/bridge]
"""


def collector_config(settings: BridgeSettings) -> str:
    """Return YAML for a Collector (contrib distribution 0.130 or newer) that exports to this bridge."""
    by_grpc = settings.grpc is not None
    address = settings.grpc or settings.http
    scheme = "http" if settings.tls is None else "https"
    token = f"    headers:\n      authorization: Bearer ${{env:{BRIDGE_TOKEN}}}\n" if settings.token else ""
    # The Collector drops a span larger than a batch after it has accepted it: it must not accept any.
    mebibytes = max(1, settings.max_request_bytes // MEBIBYTE)
    return _TEMPLATE.format(
        exporter="otlp" if by_grpc else "otlphttp",
        endpoint=str(address) if by_grpc else f"{scheme}://{address}",
        insecure="true" if settings.tls is None else "false",
        headers=token,
        timeout=settings.patience + 7,
        mebibytes=mebibytes,
        largest=mebibytes * MEBIBYTE,
    )
