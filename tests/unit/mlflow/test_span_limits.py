"""Limits of spans under `autolog`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from opentelemetry.sdk.trace import SpanLimits, TracerProvider

from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import MlflowSpanProcessor, autolog
from otel_dspy.mlflow.dropped_attributes_warning import DroppedAttributesWarning
from otel_dspy.mlflow.records.span import SpanRecord
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from opentelemetry.sdk.trace import ReadableSpan


def test_limits_of_the_environment_are_those_of_exporters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts have any length, a span that has lost attributes belongs to no run, and large programs have many."""
    for kind in ("SPAN_", ""):
        monkeypatch.setenv(f"OTEL_{kind}ATTRIBUTE_COUNT_LIMIT", "8")
        monkeypatch.setenv(f"OTEL_{kind}ATTRIBUTE_VALUE_LENGTH_LIMIT", "200")
    for kind in ("SPAN_EVENT", "SPAN_LINK", "EVENT_ATTRIBUTE", "LINK_ATTRIBUTE"):
        monkeypatch.setenv(f"OTEL_{kind}_COUNT_LIMIT", "2")
    autolog(tracking_uri=blank_store(tmp_path), silent=True)
    try:
        provider = cast("TracerProvider", DSPyInstrumentor().tracer_provider)
        span = provider.get_tracer("test").start_span("not otel-dspy's")
        for number in range(300):
            span.set_attribute(str(number), "text" * 1000)
        for _ in range(100):
            span.add_event("event", {str(name): name for name in range(10)})
        ended = cast("ReadableSpan", span)
        assert ended.attributes == {str(number): "text" * 1000 for number in range(300)}
        assert [len(event.attributes or {}) for event in ended.events] == [10] * 100
    finally:
        autolog(disable=True)


def test_a_provider_that_drops_attributes_is_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The warning names the span, what is missing and how many attributes the limit has to allow."""
    provider = TracerProvider(span_limits=SpanLimits(max_span_attributes=8), shutdown_on_exit=False)
    provider.add_span_processor(MlflowSpanProcessor(tracking_uri=blank_store(tmp_path)))
    tracer = provider.get_tracer("test")
    try:
        for name, count in (("few", 7), ("many", 10), ("more", 20)):
            attributes = {"dspy.operation.name": "module", **{str(number): number for number in range(count)}}
            tracer.start_span(name, attributes=attributes).end()
    finally:
        provider.shutdown()
    (message,) = [one.getMessage() for one in caplog.records if "limits of the tracer provider" in one.getMessage()]
    assert message.startswith("The limits of the tracer provider dropped 3 attributes of the span 'many': runs, scores")
    assert "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT" in message
    assert "more than the span has (11)" in message


def test_a_bridge_names_a_hundred_services(caplog: pytest.LogCaptureFixture) -> None:
    """Each once; a cluster whose processes all have names of their own does not fill the log."""
    warning = DroppedAttributesWarning()
    for number in (0, *range(102)):
        span = SpanRecord(
            trace_id="1" * 32, span_id="1" * 16, parent_id=None, name="call", kind="INTERNAL", start_ns=1, end_ns=2,
            attributes={}, resource={"service.name": f"worker {number}"},
        )  # fmt: skip
        warning.span_received(span, 3)
    named = [one.getMessage().partition(" of the service ")[2].partition(":")[0] for one in caplog.records]
    assert named == [f"'worker {number}'" for number in range(100)]
