"""Warning for spans that lost attributes to the limits of the tracer provider."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from otel_dspy.mlflow.records.span import SpanRecord

_logger = logging.getLogger(__name__)
_DROPPED: Final = (
    "The limits of the tracer provider dropped %d attributes of the span %r%s: runs, scores and traces in MLflow may "
    "be incomplete or missing. Set OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT or SpanLimits(max_span_attributes=...) to 128 or "
    "more, and to more than the span has (%d); further spans are not logged"
)
MOST_SERVICES: Final = 100
"""Services that one bridge warns of: each process may have a name of its own."""


class DroppedAttributesWarning:
    """Logs one warning for each processor, and in a bridge one for each service, up to 100. For one thread."""

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def span_ended(self, span: ReadableSpan) -> None:
        """Log the warning if none was logged yet and attributes of this process's span were dropped."""
        if not self._warned and (dropped := span.dropped_attributes):
            self._warned.add("")
            _logger.warning(_DROPPED, dropped, span.name, "", dropped + len(span.attributes or ()))

    def span_received(self, span: SpanRecord, dropped: int) -> None:
        """Log the warning if none was logged yet for the service of the span.

        Args:
            span: a span of otel-dspy.
            dropped: number of its attributes that were dropped, at least 1.
        """
        service = service_of(span)
        if service not in self._warned and len(self._warned) < MOST_SERVICES:
            self._warned.add(service)
            _logger.warning(
                _DROPPED, dropped, span.name, f" of the service {service!r}", dropped + len(span.attributes)
            )


def service_of(span: SpanRecord) -> str:
    """Return the name of the service that a received span is of; `unknown` without one."""
    return str(span.resource.get("service.name", "unknown"))
