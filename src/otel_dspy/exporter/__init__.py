"""OTLP exporters that split batches by encoded size, and batch queues that never drop control spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_dspy.exporter.control_span_queue import keep_control_spans
    from otel_dspy.exporter.otlp import OtlpBySizeExporter
    from otel_dspy.exporter.splitting import SplittingSpanExporter

__all__ = ["OtlpBySizeExporter", "SplittingSpanExporter", "keep_control_spans"]


def __getattr__(name: str) -> object:
    # The exporters are optional, and take time to import.
    if name == "OtlpBySizeExporter":
        from otel_dspy.exporter.otlp import OtlpBySizeExporter  # noqa: PLC0415 - optional, and slow to import

        return OtlpBySizeExporter
    if name == "SplittingSpanExporter":
        from otel_dspy.exporter.splitting import SplittingSpanExporter  # noqa: PLC0415 - optional, and slow to import

        return SplittingSpanExporter
    if name == "keep_control_spans":
        from otel_dspy.exporter.control_span_queue import keep_control_spans  # noqa: PLC0415 - optional, and slow to import

        return keep_control_spans
    raise AttributeError(name)
