"""SDK providers with in-memory exporters, for comparison with the semantic conventions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.conformance.contract import EVERYTHING, event_violations, metric_violations, violations

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.id_generator import IdGenerator


@dataclass
class TelemetryCapture:
    """Providers for `instrument(**capture.providers)`, and what they got."""

    span_exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    metric_reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)
    log_exporter: InMemoryLogRecordExporter = field(default_factory=InMemoryLogRecordExporter)
    id_generator: IdGenerator | None = None
    """Where trace and span ids come from; None = random."""
    batched: bool = False
    """Whether spans go through a batch processor, as in production: then ends are late."""

    def __post_init__(self) -> None:
        """Make the providers."""
        self.tracer_provider = TracerProvider(id_generator=self.id_generator, shutdown_on_exit=False)
        kind = BatchSpanProcessor if self.batched else SimpleSpanProcessor
        self.tracer_provider.add_span_processor(kind(self.span_exporter))
        self.meter_provider = MeterProvider(metric_readers=[self.metric_reader], shutdown_on_exit=False)
        self.logger_provider = LoggerProvider(shutdown_on_exit=False)
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self.log_exporter))

    @property
    def providers(self) -> dict[str, TracerProvider | MeterProvider | LoggerProvider]:
        """Keywords for `DSPyInstrumentor().instrument`."""
        return {
            "tracer_provider": self.tracer_provider,
            "meter_provider": self.meter_provider,
            "logger_provider": self.logger_provider,
        }

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The spans that have ended, in the order of their ends."""
        self.tracer_provider.force_flush()
        return self.span_exporter.get_finished_spans()

    @property
    def events(self) -> tuple[ReadableLogRecord, ...]:
        """The log events, in order."""
        return self.log_exporter.get_finished_logs()

    def metrics(self) -> MetricsData | None:
        """Collect the metrics as they stand now; None if nothing was recorded since the last time."""
        return self.metric_reader.get_metrics_data()

    def violations(self, *, opted_in: frozenset[str] = EVERYTHING) -> list[str]:
        """Return violations of the semantic conventions (see `tests.conformance.contract`)."""
        return [
            *violations(self.spans, opted_in=opted_in),
            *event_violations(self.events, opted_in=opted_in),
            *metric_violations(self.metrics()),
        ]

    def shutdown(self) -> None:
        """Shut the providers down."""
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()
        self.logger_provider.shutdown()
