"""Tracer provider around the SDK's, as `logfire.configure()` sets one: it has no hash, and wraps tracers and spans too."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.trace import Span, Tracer, TracerProvider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
    from opentelemetry.trace import SpanContext
    from opentelemetry.util.types import AttributeValue


@dataclass
class WrappingProvider(TracerProvider):
    """Delegates to another provider, which can be replaced."""

    provider: SdkTracerProvider
    _tracers: list[tuple[_WrappingTracer, tuple[Any, ...], dict[str, Any]]] = field(
        default_factory=list["tuple[_WrappingTracer, tuple[Any, ...], dict[str, Any]]"], init=False
    )

    def replace(self, provider: SdkTracerProvider) -> None:
        """Put another provider inside, as a further `logfire.configure()` does; tracers continue with it."""
        self.provider.shutdown()
        self.provider = provider
        for tracer, args, kwargs in self._tracers:
            tracer.tracer = provider.get_tracer(*args, **kwargs)

    def get_tracer(self, *args: Any, **kwargs: Any) -> Tracer:
        """A wrapped tracer."""
        tracer = _WrappingTracer(self.provider.get_tracer(*args, **kwargs))
        self._tracers.append((tracer, args, kwargs))
        return tracer

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Add it to the provider inside."""
        self.provider.add_span_processor(span_processor)

    def shutdown(self) -> None:
        """Shut down the provider inside."""
        self.provider.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the provider inside."""
        return self.provider.force_flush(timeout_millis)


class _WrappingTracer(Tracer):
    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer

    def start_span(self, *args: Any, **kwargs: Any) -> Span:
        return _WrappingSpan(self.tracer.start_span(*args, **kwargs))

    start_as_current_span: Any = SdkTracer.start_as_current_span


class _WrappingSpan(Span, ReadableSpan):
    def __init__(self, span: Span) -> None:
        self.span = span

    def __getattr__(self, name: str) -> Any:
        return getattr(self.span, name)

    def get_span_context(self) -> SpanContext:
        return self.span.get_span_context()

    def is_recording(self) -> bool:
        return self.span.is_recording()

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        self.span.set_attributes(attributes)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        self.span.set_attribute(key, value)

    def add_event(self, *args: Any, **kwargs: Any) -> None:
        self.span.add_event(*args, **kwargs)

    def update_name(self, name: str) -> None:
        self.span.update_name(name)

    def set_status(self, *args: Any, **kwargs: Any) -> None:
        self.span.set_status(*args, **kwargs)

    def record_exception(self, *args: Any, **kwargs: Any) -> None:
        self.span.record_exception(*args, **kwargs)

    def end(self, end_time: int | None = None) -> None:
        self.span.end(end_time)
