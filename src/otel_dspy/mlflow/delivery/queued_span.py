"""A span in the queue, with its route and its age."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_dspy.mlflow.records.sdk_span import span_record
from otel_dspy.mlflow.records.span import SpanRecord
from otel_dspy.runtime.deferred_queue import LATEST

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from otel_dspy.mlflow.records.route import Route


@dataclass(slots=True)
class QueuedSpan:
    """A queued span."""

    number: int
    span: ReadableSpan | SpanRecord
    route: Route
    size: int
    """Characters of the span's string attributes."""
    ended: float
    """`time.monotonic()` of the span's end."""
    written: bool = False

    def decoded(self) -> SpanRecord:
        """Return the span's neutral form, decoded once.

        Raises:
            ValueError: the span has not ended.
        """
        if not isinstance(self.span, SpanRecord):
            self.span = span_record(self.span)
        return self.span


def age(span: ReadableSpan) -> float:
    """Return the seconds since the span's end; at most `LATEST`, by which deferred spans have ended."""
    ended = time.time_ns() if span.end_time is None else span.end_time
    return min(max(0.0, (time.time_ns() - ended) / 1e9), LATEST)
