"""`OTEL_TRACES_EXPORTER=mlflow`: enables MLflow by environment variable."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from typing_extensions import override

from otel_dspy.environment.optional_modules import is_installed
from otel_dspy.mlflow import at_exit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from otel_dspy.mlflow.processor import MlflowSpanProcessor

_logger = logging.getLogger(__name__)


class MlflowSpanExporter(SpanExporter):
    """Placeholder for an `MlflowSpanProcessor` where OpenTelemetry's SDK accepts only exporters.

    `DSPyInstrumentor.instrument` replaces the batch processor around this exporter with the span processor (see
    `otel_dspy.exporter.sdk_pipeline`): a span's destination is determined at its start, and no span is dropped. Without
    the replacement it exports nothing.
    """

    _warned = False

    def span_processor(self) -> SpanProcessor:
        """Return the processor to use instead; it is drained when the process ends.

        Raises:
            ImportError: MLflow is not installed.
        """
        if not is_installed("mlflow"):
            raise ImportError("MLflow is not installed: pip install 'otel-dspy[mlflow]'")
        at_exit.prepare()
        return LateMlflowSpanProcessor()

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export nothing; a warning, once, gives the reason."""
        if not self._warned:
            self._warned = True
            _logger.warning(
                "The span exporter `mlflow` requires DSPyInstrumentor (opentelemetry-instrument enables it); "
                "nothing is logged to MLflow. In code, add otel_dspy.mlflow.MlflowSpanProcessor to the provider."
            )
        return SpanExportResult.FAILURE


class LateMlflowSpanProcessor(SpanProcessor):
    """An `MlflowSpanProcessor` that is created when the first span starts.

    Importing MLflow takes seconds, which programs without spans should not spend, nor servers' workers at startup:
    uvicorn terminates a worker that does not respond within five seconds.
    """

    accepts_deferred_ends = True
    """See `otel_dspy.exporter.flush_hooks`."""

    def __init__(self) -> None:
        self._made: MlflowSpanProcessor | None = None
        self._failed = False
        self._lock = threading.Lock()

    def processor(self) -> MlflowSpanProcessor:
        """Return the actual processor, created on first use."""
        if self._made is None:
            with self._lock:
                if self._made is None:
                    from otel_dspy.mlflow.processor import MlflowSpanProcessor  # noqa: PLC0415 - MLflow: seconds

                    made = MlflowSpanProcessor()
                    at_exit.drain(made)
                    self._made = made
        return self._made

    @override
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """See `MlflowSpanProcessor`."""
        if self._made is None and not self._failed:
            try:
                self.processor()
            except Exception:  # a failed import of MLflow must not reach the user's program
                self._failed = True
                _logger.exception("MLflow cannot be imported: nothing is logged to it")
        if self._made is not None:
            self._made.on_start(span, parent_context)

    @override
    def on_end(self, span: ReadableSpan) -> None:
        """See `MlflowSpanProcessor`."""
        if self._made is not None:
            self._made.on_end(span)

    @override
    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See `MlflowSpanProcessor`."""
        return self._made is None or self._made.force_flush(timeout_millis)

    @override
    def shutdown(self) -> None:
        """See `MlflowSpanProcessor`."""
        if self._made is not None:
            self._made.shutdown()
