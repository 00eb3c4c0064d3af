from __future__ import annotations

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from otel_dspy.telemetry.events import Events


def test_an_event_stands_in_the_context_of_its_span() -> None:
    """Name, attributes, severity and time are told, and it belongs to the span even where another one is current."""
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    span = tracer.start_span("the one")
    attributes = {"dspy.compile.id": "c1"}
    with tracer.start_as_current_span("another"):
        Events(provider).emit("dspy.compile.started", span, attributes)
    attributes["dspy.compile.id"] = "changed later"
    (log,) = exporter.get_finished_logs()
    record = log.log_record
    assert log.instrumentation_scope is not None
    assert log.instrumentation_scope.name == "otel_dspy"
    assert record.event_name == "dspy.compile.started"
    assert dict(record.attributes or {}) == {"dspy.compile.id": "c1"}
    assert record.severity_text in {None, "INFO"}
    assert record.observed_timestamp
    context = span.get_span_context()
    assert (record.trace_id, record.span_id) == (context.trace_id, context.span_id)
