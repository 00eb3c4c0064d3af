"""Base class of tracers that wrap another tracer."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import Tracer
from typing_extensions import override


class DelegatingTracer(Tracer):
    """Delegates to another tracer. Subclasses override `start_span`."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @override
    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        return self._tracer.start_as_current_span(*args, **kwargs)


def innermost(tracer: Tracer) -> object:
    """Return the SDK's tracer inside wrappers; None if there is none yet, as in a proxy without a provider."""
    inner: object = tracer
    while inner is not None and not hasattr(inner, "span_processor"):
        inner = getattr(inner, "_tracer", None)
    return inner
