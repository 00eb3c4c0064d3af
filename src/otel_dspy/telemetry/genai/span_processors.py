"""Span processor behind a tracer or a provider: two with the same one export their spans to the same destinations.

Logfire's provider wraps the SDK's, its tracers and spans, and can replace the provider inside, so nothing is cached.
"""

from __future__ import annotations

from typing import Final

_MAX_WRAPPERS: Final = 8


def processor_of_tracer(tracer: object) -> object | None:
    """Return the processor that all tracers of a provider share; None without OpenTelemetry's SDK."""
    return _behind(tracer, "span_processor", ("_tracer", "tracer"))


def processor_of_provider(provider: object) -> object | None:
    """Return the processor of a tracer provider; None if it has none, as without OpenTelemetry's SDK."""
    return _behind(provider, "_active_span_processor", ("provider",))


def _behind(outer: object, name: str, inner: tuple[str, ...]) -> object | None:
    """Return the attribute `name` of the object, or of the one it holds in an attribute of `inner`, at any depth."""
    for _ in range(_MAX_WRAPPERS):
        found = getattr(outer, name, None)
        if found is not None:
            return found
        for one in inner:
            held = getattr(outer, one, None)
            if held is not None:
                break
        else:
            break
        outer = held
    return None
