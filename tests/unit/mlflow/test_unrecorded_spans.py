"""Failures of the MLflow span processor: one warning with the cause, and no exception in the program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import TracerProvider

from otel_dspy.mlflow import MlflowSpanProcessor
from otel_dspy.mlflow.delivery.trace_routing import TraceRouter

if TYPE_CHECKING:
    import pytest


def test_the_first_failure_is_logged_with_its_cause(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning has the exception with its traceback; a second failure logs nothing."""

    def fail(*_: Any) -> None:
        message = "no route"
        raise LookupError(message)

    monkeypatch.setattr(TraceRouter, "started", fail)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(MlflowSpanProcessor(experiment="Default"))
    tracer = provider.get_tracer("t")
    try:
        for _ in range(2):
            tracer.start_span("call", attributes={"dspy.operation.name": "module"}).end()
    finally:
        provider.shutdown()
    (record,) = [one for one in caplog.records if "could not be recorded for MLflow" in one.getMessage()]
    assert record.levelname == "WARNING"
    assert "the program is not affected" in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)
