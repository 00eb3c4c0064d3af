"""SIGTERM flush hooks for processes started by `opentelemetry-instrument`, such as the workers of a server.

The SDK flushes when the interpreter exits. A process killed by SIGTERM skips that step (uvicorn's workers raise the
signal again after their shutdown) and would lose the telemetry of its last five seconds.
"""

from __future__ import annotations

from typing import Any, Final

from opentelemetry._logs import get_logger_provider
from opentelemetry.metrics import get_meter_provider
from opentelemetry.trace import get_tracer_provider

from otel_dspy.instrumentor import DSPyInstrumentor
from otel_dspy.runtime import sigterm

MILLISECONDS: Final = 10_000
"""Timeout passed to each provider's `force_flush`, in milliseconds."""


def flush_at_sigterm() -> None:
    """Flush the global providers on SIGTERM, if DSPy is instrumented.

    Entry point `opentelemetry_post_instrument`, called on the main thread after all instrumentors.
    """
    if DSPyInstrumentor().is_instrumented_by_opentelemetry:
        for provider in (get_tracer_provider(), get_meter_provider(), get_logger_provider()):
            _flush_first(provider)


def _flush_first(provider: Any) -> None:  # noqa: ANN401 - three classes of the SDK, or none
    flush = getattr(provider, "force_flush", None)
    if flush is not None:
        sigterm.close_first(lambda: flush(MILLISECONDS))
