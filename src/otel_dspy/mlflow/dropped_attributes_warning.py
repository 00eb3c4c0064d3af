"""Warning for spans that lost attributes to the limits of the tracer provider."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

_logger = logging.getLogger(__name__)
_DROPPED: Final = (
    "The limits of the tracer provider dropped %d attributes of the span %r: runs, scores and traces in MLflow may be "
    "incomplete or missing. Set OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT or SpanLimits(max_span_attributes=...) to 128 or more, "
    "and to more than the span has (%d); further spans are not logged"
)


class DroppedAttributesWarning:
    """Logs one warning for each processor."""

    def __init__(self) -> None:
        self._due = True

    def span_ended(self, span: ReadableSpan) -> None:
        """Log the warning, if none was logged yet and attributes of the span were dropped."""
        if self._due and (dropped := span.dropped_attributes):
            self._due = False
            _logger.warning(_DROPPED, dropped, span.name, dropped + len(span.attributes or ()))
