"""Log events of the telemetry contract (`semconv/signals.yaml`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry._logs import LogRecord, SeverityNumber, get_logger
from opentelemetry.trace import set_span_in_context

from otel_dspy.span_format import SCOPE_NAME
from otel_dspy.telemetry.call_context import for_log_record
from otel_dspy.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry._logs import LoggerProvider
    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue


class Events:
    """Emits log events, each in the context of its span."""

    def __init__(self, logger_provider: LoggerProvider | None) -> None:
        self._logger = get_logger(SCOPE_NAME, __version__, logger_provider)
        # Missing in opentelemetry-api 1.43.
        self._enabled: Callable[..., bool] | None = getattr(self._logger, "enabled", None)

    def emit(self, name: str, span: Span, attributes: Mapping[str, AttributeValue]) -> None:
        """Emit an event with the span as its parent, if the logger is enabled.

        Args:
            name: the event's name.
            span: the span that the event belongs to.
            attributes: the event's attributes.
        """
        context = for_log_record(set_span_in_context(span))
        if self._is_enabled(name, context):
            self._logger.emit(
                LogRecord(
                    event_name=name,
                    context=context,
                    severity_number=SeverityNumber.INFO,
                    attributes=dict(attributes),
                )
            )

    def _is_enabled(self, name: str, context: Context) -> bool:
        if self._enabled is None:
            return True
        try:
            return self._enabled(context=context, severity_number=SeverityNumber.INFO, event_name=name)
        except Exception:  # noqa: BLE001 - `enabled` of a user's processor may raise; then the event is emitted
            return True
