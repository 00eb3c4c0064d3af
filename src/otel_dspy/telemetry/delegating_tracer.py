"""A tracer around another one: `conversations`, `extra_conventions`, `late_tracer`, `standing_back` have one each."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import Tracer
from typing_extensions import override


class DelegatingTracer(Tracer):
    """Starts spans in a way of its subclass; what it has no way for is the other's."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @override
    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        return self._tracer.start_as_current_span(*args, **kwargs)


def innermost(tracer: Tracer) -> object:
    """The SDK's tracer inside of others; None while there is none: a proxy has one once there is a provider."""
    inner: object = tracer
    while inner is not None and not hasattr(inner, "span_processor"):
        inner = getattr(inner, "_tracer", None)
    return inner
