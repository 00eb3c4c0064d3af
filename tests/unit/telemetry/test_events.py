from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

from opentelemetry._logs import _internal as logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from otel_dspy.telemetry import events
from otel_dspy.telemetry.events import Events

if TYPE_CHECKING:
    import pytest


def test_an_event_has_the_context_of_its_span() -> None:
    """Name, attributes, severity and time are recorded, and it belongs to the span even where another one is current."""
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


def test_an_event_without_a_receiver_is_not_created(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until a program sets a logger provider, which it may do after DSPy is instrumented.

    Loggers of opentelemetry-api 1.43 have no `enabled`: there it is created, and received by nothing.
    """
    exporter, made = InMemoryLogRecordExporter(), list[str]()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    record = events.LogRecord

    def making(**recorded: Any) -> Any:
        made.append(recorded["event_name"])
        return record(**recorded)

    monkeypatch.setattr(events, "LogRecord", making)
    span = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("the one")
    recorded = Events(None)
    recorded.emit("unheard", span, {})
    monkeypatch.setattr(logs, "_LOGGER_PROVIDER", provider)
    recorded.emit("heard", span, {})
    assert made == (["heard"] if hasattr(logs.Logger, "enabled") else ["unheard", "heard"])
    assert [log.log_record.event_name for log in exporter.get_finished_logs()] == ["heard"]


def test_a_logger_without_is_enabled_gets_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of opentelemetry-api 1.43."""
    received: list[Any] = []
    monkeypatch.setattr(events, "get_logger", mock.Mock(return_value=SimpleNamespace(emit=received.append)))
    span = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("the one")
    Events(None).emit("heard", span, {})
    assert [record.event_name for record in received] == ["heard"]


def test_an_error_of_a_processors_enabled_is_not_raised() -> None:
    """What it raises goes no further."""
    received: list[Any] = []

    class Odd(SimpleLogRecordProcessor):
        def enabled(self, *_: object, **__: object) -> bool:
            raise ZeroDivisionError

        def on_emit(self, log_record: Any) -> None:
            received.append(log_record.log_record.event_name)

    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(Odd(InMemoryLogRecordExporter()))
    span = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("the one")
    Events(provider).emit("heard", span, {})
    assert received == ["heard"]
