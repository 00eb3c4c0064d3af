"""Deferred ends in tests: how many wait, and the span processor that gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy import DSPyInstrumentor

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from tests.support.telemetry_capture import TelemetryCapture


def ends_that_wait() -> int:
    """The number of spans whose ends wait to be processed."""
    telemetry: Any = DSPyInstrumentor()._telemetry
    others = {"a metric", "the span of a tool"}  # the second is a tool's content
    return sum(part not in others for _, part, *_ in telemetry.deferred_queue._waiting)


def batch_processor(captured: TelemetryCapture) -> BatchSpanProcessor:
    """The provider's processor that gets deferred ends."""
    provider: Any = captured.tracer_provider
    processors = provider._active_span_processor._span_processors
    (batch,) = [processor for processor in processors if isinstance(processor, BatchSpanProcessor)]
    return batch


class Listening(SpanProcessor):
    """A processor of an unknown kind."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Note its name."""
        self.ended.append(span.name)
