"""OTLP in requests that receivers take: split by bytes, where OpenTelemetry's SDK counts spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_dspy.exporter.otlp import OtlpBySizeExporter
    from otel_dspy.exporter.splitting import SplittingSpanExporter

__all__ = ["OtlpBySizeExporter", "SplittingSpanExporter"]


def __getattr__(name: str) -> object:
    # The exporters are optional, and take time to import.
    if name == "OtlpBySizeExporter":
        from otel_dspy.exporter.otlp import OtlpBySizeExporter  # noqa: PLC0415 - see above

        return OtlpBySizeExporter
    if name == "SplittingSpanExporter":
        from otel_dspy.exporter.splitting import SplittingSpanExporter  # noqa: PLC0415 - see above

        return SplittingSpanExporter
    raise AttributeError(name)
