"""Which span processors get deferred ends, and which get them with the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import INVALID_SPAN, NoOpTracerProvider, get_current_span
from typing_extensions import override

from otel_dspy import DSPyInstrumentor
from tests.support.addition_task import addition_lm
from tests.support.deferred_ends import Listening, ends_that_wait

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace import Span as SdkSpan

    from tests.support.telemetry_capture import TelemetryCapture

pytestmark = pytest.mark.usefixtures("patient")
_dspy: Any = dspy


def test_a_processor_that_looks_at_a_span_before_its_end(captured: TelemetryCapture) -> None:
    """`_on_ending` gets each of the SDK's spans once, with all attributes."""
    seen: list[tuple[str, bool]] = []

    class Looking(BatchSpanProcessor):
        @override
        def _on_ending(self, span: SdkSpan) -> None:
            seen.append((span.name, "dspy.module.output" in (span.attributes or {})))

    captured.tracer_provider.add_span_processor(Looking(InMemorySpanExporter()))
    dspy.Predict("question -> answer")(question="1+1")
    assert seen == []
    captured.tracer_provider.force_flush()
    assert seen == [("chat scripted", False), ("module Predict", True)]


@pytest.mark.contract_gaps("heard is not a name")
def test_processors_get_starts_when_they_happen(captured: TelemetryCapture) -> None:
    """Once, with the context around; one that adds to the span then has added to it."""

    class Patient(SpanProcessor):
        accepts_deferred_ends = True

        def __init__(self) -> None:
            self.received: list[tuple[str, str, object]] = []

        def on_start(self, span: Any, parent_context: Any = None) -> None:
            self.received.append(("start", span.name, span.parent))
            span.set_attribute("heard", get_current_span(parent_context) is not INVALID_SPAN)

        def on_end(self, span: ReadableSpan) -> None:
            self.received.append(("end", span.name, span.parent))

    patient = Patient()
    captured.tracer_provider.add_span_processor(patient)
    dspy.Predict("question -> answer")(question="1+1")
    assert [(what, name) for what, name, _ in patient.received] == [
        ("start", "module Predict"),
        ("start", "chat scripted"),
    ]
    spans = {span.name: span for span in captured.spans}
    assert [(what, name) for what, name, _ in patient.received[2:]] == [
        ("end", "chat scripted"),
        ("end", "module Predict"),
    ]
    assert patient.received[1][2] == patient.received[2][2] == spans["module Predict"].get_span_context()
    assert [(spans[name].attributes or {})["heard"] for name in ("module Predict", "chat scripted")] == [False, True]


class _Delegating:
    """A processor that is no SpanProcessor and has its methods from another."""

    def __init__(self) -> None:
        self._other = BatchSpanProcessor(InMemorySpanExporter())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._other, name)


def test_a_processor_of_no_known_shape_costs_no_span(captured: TelemetryCapture) -> None:
    """Spans end at once then, and reach the other processors."""
    odd: Any = _Delegating()
    captured.tracer_provider.add_span_processor(odd)
    dspy.Predict("question -> answer")(question="1+1")
    assert len(captured.spans) == 2


class _Changed(BatchSpanProcessor):
    """A batch processor that does something of its own."""

    def on_end(self, span: ReadableSpan) -> None:
        super().on_end(span)


def _changed_object() -> BatchSpanProcessor:
    processor: Any = BatchSpanProcessor(InMemorySpanExporter())
    processor.on_end = Listening().on_end
    return processor


@pytest.mark.parametrize(
    "impatient",
    [
        lambda: SimpleSpanProcessor(InMemorySpanExporter()),
        Listening,
        lambda: _Changed(InMemorySpanExporter()),
        _changed_object,
    ],
    ids=["simple", "unknown", "derived", "changed"],
)
def test_ends_are_immediate_with_other_processors(impatient: Any, captured: TelemetryCapture) -> None:
    """With a processor that may do anything when a span ends nothing is late, and what was late before comes first."""
    program = dspy.Predict("question -> answer")
    program(question="1+1")
    listening = Listening()
    for processor in (impatient(), listening):
        captured.tracer_provider.add_span_processor(processor)
    program(question="2+2")
    assert listening.ended == ["chat scripted", "module Predict"] * 2
    assert ends_that_wait() == 0


def test_a_processor_added_during_a_call_gets_ends_in_order(captured: TelemetryCapture) -> None:
    """The ends of calls that were open then are no later than those that begin after."""
    listening = Listening()

    class Adding(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.answer = dspy.Predict("question -> answer")

        def forward(self, question: str) -> Any:
            given = self.answer(question=question)
            captured.tracer_provider.add_span_processor(listening)
            return given

    program: Any = Adding()
    program(question="1+1")
    assert listening.ended == ["chat scripted", "module Predict", "module Adding"]


def test_a_provider_without_processors_of_its_own_kind_is_left_alone() -> None:
    """Where the SDK calls its processors at the same time, or a provider is no SDK's, nothing is late, nothing breaks."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(active_span_processor=ConcurrentMultiSpanProcessor(2), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    for given in (provider, NoOpTracerProvider()):
        DSPyInstrumentor().instrument(tracer_provider=given)
        try:
            with _dspy.context(lm=addition_lm()):
                dspy.Predict("question -> answer")(question="1+1")
        finally:
            DSPyInstrumentor().uninstrument()
    provider.force_flush()
    assert len(exporter.get_finished_spans()) == 2
    provider.shutdown()
