"""Under `opentelemetry-instrument`, SIGTERM flushes what the SDK has queued: servers' workers are ended that way.

The SDK flushes when the interpreter ends; a process that dies of SIGTERM doesn't come to that (uvicorn's workers raise
the signal again once they have shut down), and loses what its last five seconds have told.
"""

from __future__ import annotations

from typing import Any, Final

from opentelemetry._logs import get_logger_provider
from opentelemetry.metrics import get_meter_provider
from opentelemetry.trace import get_tracer_provider

from otel_dspy.instrumentor import DSPyInstrumentor
from otel_dspy.runtime import sigterm

MILLISECONDS: Final = 10_000
"""How long a provider may flush, where it keeps to that."""


def flush_at_sigterm() -> None:
    """The entry point `opentelemetry_post_instrument`: called once everything is instrumented, on the main thread."""
    if DSPyInstrumentor().is_instrumented_by_opentelemetry:
        for provider in (get_tracer_provider(), get_meter_provider(), get_logger_provider()):
            _flush_first(provider)


def _flush_first(provider: Any) -> None:  # noqa: ANN401 - three classes of the SDK, or none
    flush = getattr(provider, "force_flush", None)
    if flush is not None:
        sigterm.close_first(lambda: flush(MILLISECONDS))
