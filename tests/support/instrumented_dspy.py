"""DSPy instrumented for the duration of a block, with all content."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import TracerProvider

from otel_dspy import DSPyInstrumentor

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.sdk.trace import SpanProcessor

_ALL_CONTENT: Final = {"capture_content": True, "capture_programs": True, "capture_datasets": True}


@contextmanager
def instrumented(*processors: SpanProcessor, **settings: Any) -> Generator[TracerProvider]:
    """Instrument DSPy with a provider of its own, and uninstrument it afterwards.

    Args:
        processors: receive the spans; they are not shut down.
        settings: further keywords of `instrument`; they replace those that capture all content.
    """
    provider = TracerProvider(shutdown_on_exit=False)
    for processor in processors:
        provider.add_span_processor(processor)
    instrumentor = DSPyInstrumentor()
    instrumentor.instrument(tracer_provider=provider, **(_ALL_CONTENT | settings))
    try:
        yield provider
    finally:
        instrumentor.uninstrument()
