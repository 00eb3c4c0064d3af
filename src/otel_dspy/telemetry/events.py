"""The log events of the contract (`semconv/signals.yaml`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry._logs import LogRecord, SeverityNumber, get_logger
from opentelemetry.trace import set_span_in_context

from otel_dspy.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry._logs import LoggerProvider
    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue


class Events:
    """Emits log events, each in the context of the span that it tells of."""

    def __init__(self, logger_provider: LoggerProvider | None) -> None:
        self._logger = get_logger("otel_dspy", __version__, logger_provider)
        # opentelemetry-api 1.43 has no way to ask.
        self._ask: Callable[..., bool] | None = getattr(self._logger, "enabled", None)

    def emit(self, name: str, span: Span, attributes: Mapping[str, AttributeValue]) -> None:
        """Emit event `name` with the span as its parent, if anybody listens."""
        context = set_span_in_context(span)
        if self._is_heard(name, context):
            self._logger.emit(
                LogRecord(
                    event_name=name,
                    context=context,
                    severity_number=SeverityNumber.INFO,
                    attributes=dict(attributes),
                )
            )

    def _is_heard(self, name: str, context: Context) -> bool:
        if self._ask is None:
            return True
        try:
            return self._ask(context=context, severity_number=SeverityNumber.INFO, event_name=name)
        except Exception:  # noqa: BLE001 - a user's processor is asked; whoever can't say may want to hear
            return True
