"""`OTEL_TRACES_EXPORTER=mlflow`: MLflow chosen by an environment variable alone."""

from __future__ import annotations

import importlib.util
import logging
import threading
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from typing_extensions import override

from otel_dspy.mlflow import at_exit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from otel_dspy.mlflow.processor import MlflowSpanProcessor

_logger = logging.getLogger(__name__)


class MlflowSpanExporter(SpanExporter):
    """Stands for an `MlflowSpanProcessor` where OpenTelemetry's SDK takes exporters alone.

    `DSPyInstrumentor.instrument` puts the processor in the place of the batch processor around this exporter (see
    `otel_dspy.exporter.sdk_pipeline`): a span's destination is known when it starts; no span is dropped. Left as it is
    it exports nothing.
    """

    _told = False

    def span_processor(self) -> SpanProcessor:
        """The processor to use instead; it is drained when the process ends.

        Raises:
            ImportError: MLflow is not installed.
        """
        if importlib.util.find_spec("mlflow") is None:
            raise ImportError("MLflow is not installed: pip install 'otel-dspy[mlflow]'")
        at_exit.prepare()
        return LateMlflowSpanProcessor()

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Nothing; a warning, once, says why."""
        if not self._told:
            self._told = True
            _logger.warning(
                "The span exporter `mlflow` works where otel_dspy's DSPyInstrumentor is on (opentelemetry-instrument "
                "does that); nothing goes to MLflow. In code, add otel_dspy.mlflow.MlflowSpanProcessor to the provider."
            )
        return SpanExportResult.FAILURE


class LateMlflowSpanProcessor(SpanProcessor):
    """An `MlflowSpanProcessor` that is made when the first span starts.

    Importing MLflow takes seconds, which programs that end up without a span should not pay, nor servers' workers while
    they start: uvicorn ends a worker that doesn't answer within five.
    """

    takes_late_ends = True
    """See `otel_dspy.exporter.flush_hooks`."""

    def __init__(self) -> None:
        self._made: MlflowSpanProcessor | None = None
        self._failed = False
        self._lock = threading.Lock()

    def processor(self) -> MlflowSpanProcessor:
        """The real one, made if need be."""
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
            except Exception:  # an MLflow that cannot be imported must not reach the user's program
                self._failed = True
                _logger.exception("MLflow cannot be used: nothing is recorded in it")
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
