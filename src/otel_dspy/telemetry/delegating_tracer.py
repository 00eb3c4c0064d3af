"""Base class of tracers that wrap another tracer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Tracer
from typing_extensions import override

from otel_dspy.runtime.error_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Span


class DelegatingTracer(Tracer):
    """Delegates to another tracer. Subclasses override `start_span`."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @override
    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        return self._tracer.start_as_current_span(*args, **kwargs)

    def before_next_span(self, callback: Callable[[], object]) -> None:
        """Call `callback` once, before the next span starts."""
        self._tracer = _Calling(self, self._tracer, callback)

    def continue_with(self, tracer: Tracer) -> None:
        """Delegate to another tracer from now on."""
        self._tracer = tracer


class _Calling(DelegatingTracer):
    """Calls a function before the first span, and then leaves the place to the tracer that it wraps."""

    def __init__(self, holder: DelegatingTracer, tracer: Tracer, callback: Callable[[], object]) -> None:
        super().__init__(tracer)
        self._holder = holder
        self._callback = callback

    @override
    def start_span(self, *args: Any, **kwargs: Any) -> Span:
        self._holder.continue_with(self._tracer)
        with guarded("a callback before a span"):
            self._callback()
        return self._tracer.start_span(*args, **kwargs)


def innermost(tracer: Tracer) -> object:
    """Return the SDK's tracer inside wrappers; None if there is none yet, as in a proxy without a provider."""
    inner: object = tracer
    while inner is not None and not hasattr(inner, "span_processor"):
        inner = getattr(inner, "_tracer", None)
    return inner
