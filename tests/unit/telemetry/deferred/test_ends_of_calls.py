"""Spans that end after their call are the spans that would have ended with it; no receiver can distinguish them."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_dspy import DSPyInstrumentor, conversation
from otel_dspy.telemetry.genai.inference import Inference
from tests.behavior.model import model
from tests.support.addition_task import addition_lm, exact
from tests.support.deferred_ends import ends_that_wait
from tests.support.in_process_lm import in_process_lm
from tests.support.telemetry_capture import TelemetryCapture

if TYPE_CHECKING:
    from collections.abc import Sequence


pytestmark = pytest.mark.usefixtures("patient")
_dspy: Any = dspy
_ANSWER: Final = "[[ ## answer ## ]]\n2\n\n[[ ## completed ## ]]"


@pytest.mark.parametrize("completable", [True, False], ids=["left open by the library", "ended by the library"])
def test_it_ends_as_of_the_calls_end(
    captured: TelemetryCapture, monkeypatch: pytest.MonkeyPatch, *, completable: bool
) -> None:
    """Nothing has ended when the call is over; a flush has it all, in order, each span within the one around."""
    monkeypatch.setattr(Inference, "is_completable", completable)
    dspy.ChainOfThought("question -> answer")(question="1+1")
    over = time.time_ns()
    assert ends_that_wait() == 3
    spans = captured.spans
    assert [span.name for span in spans] == ["chat scripted", "module Predict", "module ChainOfThought"]
    ends = [cast("int", span.end_time) for span in spans]
    assert ends == sorted(ends)
    assert ends[-1] <= over
    chat, predict, _ = spans
    assert cast("int", chat.start_time) >= cast("int", predict.start_time)
    assert (chat.attributes or {})["gen_ai.usage.input_tokens"] == 10


def _add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.mark.parametrize("conventions", [(), ("openinference",)], ids=["own", "openinference"])
def test_calls_inside_an_agent_end_before_it(conventions: Sequence[str]) -> None:
    """The library ends the spans of agents and tools itself: they too end in order, within the span around them."""
    capture = TelemetryCapture(batched=True)
    DSPyInstrumentor().instrument(**capture.providers, capture_content=True, extra_conventions=conventions)
    try:
        with _dspy.context(lm=model()):
            _dspy.ReAct("question -> answer", tools=[_dspy.Tool(_add, name="add")], max_iters=1)(question="1+2")
        over = time.time_ns()
        assert ends_that_wait() == 8
        spans = capture.spans
    finally:
        DSPyInstrumentor().uninstrument()
        capture.shutdown()
    assert [span.name for span in spans] == [
        "chat scripted",
        "module Predict",
        "execute_tool add",
        "chat scripted",
        "module Predict",
        "module ChainOfThought",
        "invoke_agent ReAct",
        "module ReAct",
    ]
    ends = [cast("int", span.end_time) for span in spans]
    assert ends == sorted(ends)
    assert ends[-1] <= over
    assert [(span.attributes or {}).get("openinference.span.kind") for span in spans[2:3]] == (
        ["TOOL"] if conventions else [None]
    )


def test_the_sdks_own_metrics_count_each_span(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection ends what waits first, so that no span of an ended call counts as open."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    provider = TracerProvider(shutdown_on_exit=False, meter_provider=meters)
    provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    DSPyInstrumentor().instrument(tracer_provider=provider, meter_provider=meters)
    try:
        with _dspy.context(lm=addition_lm()):
            dspy.Predict("question -> answer")(question="1+1")
        data: Any = reader.get_metrics_data()
    finally:
        DSPyInstrumentor().uninstrument()
        provider.shutdown()
        meters.shutdown()
    counts = {
        metric.name: [point.value for point in metric.data.data_points]
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
        if metric.name.startswith("otel.sdk.span")
    }
    assert counts == {"otel.sdk.span.started": [1, 1], "otel.sdk.span.live": [0]}


def test_the_duration_of_a_deferred_call_is_its_own(
    captured: TelemetryCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the library measures until the end is not longer because the end is deferred."""
    clock = [100.0]
    monkeypatch.setattr("timeit.default_timer", lambda: clock[0])
    dspy.Predict("question -> answer")(question="1+1")
    clock[0] += 7
    data: Any = captured.metrics()
    (duration,) = (
        metric
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
        if metric.name == "gen_ai.client.operation.duration"
    )
    assert duration.data.data_points[0].sum == 0


def test_large_results_are_in_the_trace_of_the_evaluation() -> None:
    """Their pieces are spans, which name the compile and trial that the evaluation's span names, whichever thread flushes it."""
    capture = TelemetryCapture(batched=True)
    DSPyInstrumentor().instrument(**capture.providers, capture_content=True)
    noise = random.Random(7)  # noqa: S311 - what does not shrink
    question = f"1+1 {noise.randbytes(300_000).hex()}"
    devset = [dspy.Example(question=question, answer="2").with_inputs("question")]
    with _dspy.context(lm=addition_lm()), conversation("an evaluation's"):
        _dspy.Evaluate(devset=devset, metric=exact)(_dspy.Predict("question -> answer"))
    with conversation("another one"):
        pieces = [span for span in capture.spans if span.name == "payload"]
    assert len(pieces) > 1
    assert {str((span.attributes or {}).get("session.id")) for span in pieces} == {"an evaluation's"}
    DSPyInstrumentor().uninstrument()
    capture.shutdown()


def test_later_changes_by_the_program_are_not_recorded(captured: TelemetryCapture) -> None:
    """Inputs, messages, predictions and examples are recorded as they were: a chat continues with the same list."""
    numbers, messages, block = ["1", "1"], [{"role": "user", "content": "1+1"}], {"type": "text", "text": "1+1"}
    asked = [dspy.Example(question=numbers, answer="2").with_inputs("question")]
    lm: Any = in_process_lm(lambda _messages: _ANSWER)
    with _dspy.context(lm=lm):
        prediction: Any = dspy.Predict("numbers: list[str] -> answer")(numbers=numbers)
        outputs: list[Any] = lm(messages=messages)
        lm(messages=[{"role": "user", "content": [block]}])
        dspy.Evaluate(devset=asked, metric=exact, num_threads=1)(dspy.Predict("question -> answer"))
    asked[0]["answer"] = "changed"
    numbers.append("changed")
    prediction.answer = "changed"
    messages[0]["content"] = block["text"] = outputs[0] = "changed"
    messages.append({"role": "assistant", "content": "changed"})
    texts = repr([dict(span.attributes or {}) for span in captured.spans])
    assert "numbers" in texts
    assert "dspy.example.labels" in texts
    assert "changed" not in texts


def test_other_conventions_include_deferred_attributes() -> None:
    """OpenInference's attributes are derived from all attributes of a span, its content too."""
    capture = TelemetryCapture(batched=True)
    DSPyInstrumentor().instrument(**capture.providers, capture_content=True, extra_conventions="openinference")
    try:
        with _dspy.context(lm=addition_lm()):
            dspy.Predict("question -> answer")(question="1+1")
        recorded = {span.name: span.attributes or {} for span in capture.spans}
    finally:
        DSPyInstrumentor().uninstrument()
        capture.shutdown()
    assert "1+1" in str(recorded["module Predict"]["input.value"])
    assert recorded["chat scripted"]["openinference.span.kind"] == "LLM"
    assert "llm.token_count.prompt" in recorded["chat scripted"]
