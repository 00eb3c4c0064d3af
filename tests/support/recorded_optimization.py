"""The finished spans of one optimization, to be exported in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.chaos.twins import optimize
from tests.support.instrumented_dspy import instrumented

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

SPANS_AT_ONCE = 9


def recorded_optimization() -> list[Sequence[ReadableSpan]]:
    """Optimize, and return the spans in batches of `SPANS_AT_ONCE`, in the order of export."""
    kept = InMemorySpanExporter()
    with instrumented(SimpleSpanProcessor(kept)):
        optimize(trials=2)
    spans = kept.get_finished_spans()
    return [spans[start : start + SPANS_AT_ONCE] for start in range(0, len(spans), SPANS_AT_ONCE)]
