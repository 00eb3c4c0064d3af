"""Spans that end after their call are the spans that would have ended with it; no receiver can distinguish them."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import threading
import time
import weakref
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import pytest
from opentelemetry.context import attach, detach, set_value
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    SpanProcessor,
    TracerProvider,
    _disable_tracer_configurator,
)
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    INVALID_SPAN,
    NoOpTracerProvider,
    SpanContext,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from typing_extensions import override

from otel_dspy import DSPyInstrumentor, conversation
from otel_dspy.hooks.calls.module_paths import ModulePaths
from otel_dspy.runtime import deferred_queue as later_module
from tests.behavior.model import model
from tests.support.comparable_trees import comparable_trees
from tests.support.in_process_lm import in_process_lm
from tests.support.sums import exact, sums_lm
from tests.support.telemetry_capture import TelemetryCapture
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from otel_dspy.settings import Redact

_dspy: Any = dspy
_ANSWER: Final = "[[ ## answer ## ]]\n2\n\n[[ ## completed ## ]]"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    # The thread must not get ahead of what a test looks at.
    monkeypatch.setattr(later_module, "DELAY", 60)


@pytest.fixture
def captured() -> Iterator[TelemetryCapture]:
    """DSPy instrumented, spans with content to a batch processor."""
    capture = TelemetryCapture(batched=True)
    DSPyInstrumentor().instrument(**capture.providers, capture_content=True)
    with _dspy.context(lm=sums_lm()):
        yield capture
    DSPyInstrumentor().uninstrument()
    capture.shutdown()


def _ends_that_wait() -> int:
    telemetry: Any = DSPyInstrumentor()._telemetry
    others = {"a metric", "the span of a tool"}  # the second is a tool's content
    return sum(part not in others for _, part, *_ in telemetry.deferred_queue._waiting)


def _batch(captured: TelemetryCapture) -> BatchSpanProcessor:
    provider: Any = captured.tracer_provider
    processors = provider._active_span_processor._span_processors
    (batch,) = [processor for processor in processors if isinstance(processor, BatchSpanProcessor)]
    return batch


def test_it_ends_as_of_the_calls_end(captured: TelemetryCapture) -> None:
    """Nothing has ended when the call is over; a flush has it all, in order, each span within the one around."""
    dspy.ChainOfThought("question -> answer")(question="1+1")
    over = time.time_ns()
    assert _ends_that_wait() == 3
    spans = captured.spans
    assert [span.name for span in spans] == ["chat scripted", "module Predict", "module ChainOfThought"]
    ends = [cast("int", span.end_time) for span in spans]
    assert ends == sorted(ends)
    assert ends[-1] <= over
    chat, predict, _ = spans
    assert cast("int", chat.start_time) >= cast("int", predict.start_time)


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
        assert _ends_that_wait() == 8
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


def test_the_sdks_own_metrics_count_each_span(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection ends what waits first, so that no span of an ended call counts as open."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    provider = TracerProvider(shutdown_on_exit=False, meter_provider=meters)
    provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    DSPyInstrumentor().instrument(tracer_provider=provider, meter_provider=meters)
    try:
        with _dspy.context(lm=sums_lm()):
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


class _Annotated(dspy.Module):
    """Sets an attribute on its own span."""

    def forward(self) -> str:
        get_current_span().set_attribute("app.step", 1)
        return "done"


@pytest.mark.contract_gaps("app.step is not a name that may stand here")
def test_a_span_that_the_program_uses_ends_with_its_call(captured: TelemetryCapture) -> None:
    """Its end is the call's as well, not the time at which the queue ends it."""
    _Annotated()()
    over = time.time_ns()
    (span,) = captured.spans
    assert cast("Any", span.attributes)["app.step"] == 1
    assert cast("int", span.end_time) <= over


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


def test_a_shutdown_has_it_all(captured: TelemetryCapture) -> None:
    """A program that only shuts its provider down loses nothing."""
    dspy.Predict("question -> answer")(question="1+1")
    captured.tracer_provider.shutdown()
    assert len(captured.span_exporter.get_finished_spans()) == 2


def test_uninstrumenting_has_it_all(captured: TelemetryCapture) -> None:
    """What has ended before is handed over, so that a flush by any means finds it."""
    dspy.Predict("question -> answer")(question="1+1")
    DSPyInstrumentor().uninstrument()
    _batch(captured).force_flush()
    assert len(captured.span_exporter.get_finished_spans()) == 2


class _Listening(SpanProcessor):
    """A processor of an unknown kind."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span.name)


@pytest.mark.parametrize("how", ["force_flush", "shutdown"])
def test_a_processor_that_is_flushed_by_itself_has_it_all(how: str, captured: TelemetryCapture) -> None:
    """A function's handler keeps the processor and flushes that one, and not the provider."""
    dspy.Predict("question -> answer")(question="1+1")
    getattr(_batch(captured), how)()
    assert len(captured.span_exporter.get_finished_spans()) == 2


def test_a_flush_that_runs_out_of_time_returns_false(captured: TelemetryCapture) -> None:
    """Its limit counts for what has been left behind too; a second one has the rest."""
    dspy.Predict("question -> answer")(question="1+1")
    assert not captured.tracer_provider.force_flush(0)
    assert captured.tracer_provider.force_flush(10_000)
    assert len(captured.span_exporter.get_finished_spans()) == 2


@pytest.mark.usefixtures("only_own_garbage")
def test_a_call_that_outlives_the_instrumentation_is_recorded(captured: TelemetryCapture) -> None:
    """Its span ends although the queue has no other reference, and a garbage collection comes first."""
    inside, go_on = threading.Event(), threading.Event()

    class Slow(dspy.Module):
        def forward(self, question: str) -> Any:
            inside.set()
            go_on.wait()
            return dspy.Prediction(answer=question)

    program: Any = Slow()
    thread = threading.Thread(target=lambda: program(question="1+1"))
    thread.start()
    inside.wait()
    DSPyInstrumentor().uninstrument()
    go_on.set()
    thread.join()
    del thread
    gc.collect()
    assert [span.name for span in captured.spans] == ["module Slow"]


def _touch(span: Any) -> dict[str, Any]:
    """Do to the current span whatever a program can, and say what it shows of itself."""
    shown: dict[str, Any] = {
        "an SDK's": all(isinstance(span, kind) for kind in (SdkSpan, ReadableSpan)),
        "recording": span.is_recording(),
        "name": span.name,
        "kind": span.kind.name,
        "attributes": dict(span.attributes),
        "links": len(span.links),
        "parent": span.parent is not None,
        "scope": span.instrumentation_scope.name,
        "resource": dict(span.resource.attributes) != {},
        "start": span.start_time > 0,
        "end": span.end_time,
        "text": repr(span).startswith("_Span(name="),
    }
    span.set_attribute("mine", 1)
    span.set_attributes({"mine too": [1, 2]})
    span.add_event("mine", {"at": "once"})
    span.add_link(SpanContext(1, 2, is_remote=True), {"why": "mine"})
    span.record_exception(ValueError("mine"))
    span.update_name("mine")
    span.set_status(StatusCode.OK)
    return shown | {"afterwards": (span.name, span.status.status_code.name, len(span.events), len(span.attributes))}


@pytest.mark.contract_gaps("'mine': no such span in the contract")
def test_a_program_finds_the_span_that_it_would_have_found() -> None:
    """What the current span shows in a call, and what becomes of all that a program puts there, are the SDK's."""
    shown: list[dict[str, Any]] = []

    class Touching(dspy.Module):
        def forward(self, question: str) -> Any:
            shown.append(_touch(get_current_span()))
            return dspy.Prediction(answer=question)

    texts: list[Any] = []
    for late in (False, True):
        capture = TelemetryCapture(batched=late)
        DSPyInstrumentor().instrument(**capture.providers)
        program: Any = Touching()
        program(question="1+1")
        texts.append(comparable_trees(capture.spans))
        DSPyInstrumentor().uninstrument()
        capture.shutdown()
    assert shown[0] == shown[1]
    assert shown[1]["an SDK's"]
    assert texts[0] == texts[1]
    assert texts[1][0][0] == "mine"


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


def test_a_span_that_is_kept_keeps_nothing_else(captured: TelemetryCapture) -> None:
    """Not the context around it, nor the spans before: a program may make each turn a child of the last one."""

    class Value:
        """Something in a context."""

    kept: list[Any] = []

    class Keeping(dspy.Module):
        def forward(self, question: str) -> Any:
            kept[:] = [get_current_span()]
            return dspy.Prediction(answer=question)

    program: Any = Keeping()
    alive: list[weakref.ref[Any]] = []
    gc.disable()
    try:
        for _ in range(5):
            value = Value()
            alive.append(weakref.ref(value))
            token = attach(set_value("value", value, set_span_in_context(kept[0]) if kept else None))
            program(question="1+1")
            detach(token)
            del value, token
            alive.append(weakref.ref(kept[0]))
            captured.tracer_provider.force_flush()
        assert sum(one() is not None for one in alive) == 1
    finally:
        gc.enable()


def _of_a_program(found: object) -> bool:
    return isinstance(found, ModulePaths) and found._program() is not None


@pytest.mark.usefixtures("only_own_garbage")
def test_a_call_leaves_no_circle(captured: TelemetryCapture) -> None:
    """Once its spans are exported nothing of a call is left for the garbage collection, which takes longer than the call."""

    def call() -> set[str]:
        _dspy.ChainOfThought("question -> answer")(question="1+1")
        asyncio.run(_dspy.Predict("question -> answer").acall(question="1+1"))
        captured.tracer_provider.force_flush()
        captured.span_exporter.clear()
        ours = [one for one in gc.get_objects() if str(type(one).__module__).startswith("otel_dspy")]
        # Paths are a program's, and DSPy's own trace has these two programs still.
        return {type(one).__qualname__ for one in ours if id(one) not in before and not _of_a_program(one)}

    before: set[int] = set()
    call()
    gc.collect()
    gc.disable()
    try:
        before |= {id(one) for one in gc.get_objects()}
        assert call() == set()
    finally:
        gc.enable()


@pytest.mark.contract_gaps("it failed without error.type")  # which it gets from us, and the program has ended it before
def test_an_error_within_the_span_is_recorded(captured: TelemetryCapture) -> None:
    """`with span:` ends it as failed, with an event, as the SDK's own does."""

    class Leaving(dspy.Module):
        def forward(self, question: str) -> Any:
            with get_current_span():
                raise ValueError(question)

    program: Any = Leaving()
    with pytest.raises(ValueError, match="boom"):
        program(question="boom")
    (span,) = captured.spans
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError: boom")
    assert [event.name for event in span.events] == ["exception"]


def test_after_its_end_a_span_has_ended(captured: TelemetryCapture, caplog: pytest.LogCaptureFixture) -> None:
    """Once the queue has run, what a program has kept is the SDK's ended span, complete, which takes no more."""
    found: list[Any] = []

    class Showing(dspy.Module):
        def forward(self, question: str) -> Any:
            found.append(get_current_span())
            return dspy.Prediction(answer=question)

    program: Any = Showing()
    program(question="1+1")
    (span,) = found
    captured.tracer_provider.force_flush()
    assert not span.is_recording()
    assert span.end_time >= span.start_time
    assert "1+1" in span.attributes["dspy.module.input"]
    span.set_attribute("mine", 1)
    span.update_name("mine")
    assert "ended span" in caplog.text
    assert [(one.name, "mine" in (one.attributes or {})) for one in captured.spans] == [("module Showing", False)]


def test_what_a_program_has_ended_takes_no_more(captured: TelemetryCapture) -> None:
    """Neither the program's changes after its own `end`, nor ours: its time is kept, be it 0, and the call's error out."""

    class Ending(dspy.Module):
        def forward(self, question: str) -> Any:
            span = get_current_span()
            span.end(0)
            span.update_name("mine")
            raise ValueError(question)

    program: Any = Ending()
    with pytest.raises(ValueError, match="boom"):
        program(question="boom")
    (span,) = captured.spans
    assert (span.name, span.end_time, span.status.status_code) == ("module Ending", 0, StatusCode.UNSET)
    assert set(span.attributes or {}) == {"dspy.module.name", "dspy.module.type", "dspy.operation.name"}


def test_a_tracer_that_is_switched_off_in_mid_call(captured: TelemetryCapture) -> None:
    """What was open is exported, with the resource that it began with."""
    provider: Any = captured.tracer_provider

    class Switching(dspy.Module):
        def forward(self, question: str) -> Any:
            provider._set_tracer_configurator(tracer_configurator=_disable_tracer_configurator)
            return dspy.Prediction(answer=question)

    program: Any = Switching()
    program(question="1+1")
    assert [span.name for span in captured.spans] == ["module Switching"]


@contextmanager
def _redacting(redact: Redact) -> Generator[TelemetryCapture]:
    """DSPy instrumented, spans with content to a batch processor, by way of a redactor."""
    capture = TelemetryCapture(batched=True)
    DSPyInstrumentor().instrument(**capture.providers, capture_content=True, redact=redact)
    with _dspy.context(lm=sums_lm()):
        yield capture
    DSPyInstrumentor().uninstrument()
    capture.shutdown()


def test_a_redactor_sees_the_calls_context() -> None:
    """Whose text it is stands in a context variable, which has another value, or none, once the call is over."""
    customer = ContextVar("customer", default="nobody")
    with _redacting(lambda _name, text: text.replace("1+1", customer.get())) as capture:
        token = customer.set("Alice")
        dspy.Predict("question -> answer")(question="1+1")
        customer.reset(token)
        texts = [repr(dict(span.attributes or {})) for span in capture.spans]
    assert len(texts) == 2
    assert all("Alice" in text and "nobody" not in text and "1+1" not in text for text in texts)


class _Odd:
    """No value of an attribute; OpenTelemetry 1.43 logs it, and later versions try its text."""

    def __str__(self) -> str:
        raise ZeroDivisionError


def _set_odd(span: Any) -> str | None:
    """Set an attribute that cannot be set; return the error's name, if it raises."""
    try:
        span.set_attribute("odd", _Odd())
    except ZeroDivisionError as error:
        return type(error).__name__
    return None


@pytest.mark.contract_gaps("list is not a name")
def test_attributes_set_by_a_redactor_are_validated_by_the_sdk() -> None:
    """Invalid values raise where they are set, as always; the span is recorded as it was at that time."""
    raised: list[str | None] = []
    lists: list[list[int]] = []

    def redact(_name: str, text: str) -> str:
        span: Any = get_current_span()
        lists.append([1])
        span.set_attribute("list", lists[-1])
        lists[-1].append(2)
        span.set_attribute(5, "no text")
        raised.append(_set_odd(span))
        return text

    with _redacting(redact) as capture:
        dspy.Predict("question -> answer")(question="1+1")
        (span,) = [span for span in capture.spans if span.name == "module Predict"]
    assert set(raised) == {_set_odd(TracerProvider(shutdown_on_exit=False).get_tracer("plain").start_span("plain"))}
    assert (span.attributes or {})["list"] == (1,)
    assert {"5", 5, "odd"}.isdisjoint(span.attributes or {})


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_redactor_that_ends_its_thread_ends_no_other(
    raised: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is called by the thread of the deferred queue, which continues with the next call."""
    monkeypatch.setattr(later_module, "DELAY", 0.01)
    ends = [raised]

    def redact(_name: str, text: str) -> str:
        if ends and threading.current_thread().name == "otel-dspy-deferred":
            raise ends.pop()
        return text

    with _redacting(redact) as capture:
        for _ in range(3):
            dspy.Predict("question -> answer")(question="1+1")
        awaited(lambda: _ends_that_wait() == 0, "all to be told")
        assert ends == []
        assert len(capture.spans) == 6


def test_large_results_are_in_the_trace_of_the_evaluation() -> None:
    """Their pieces are spans, which name the compile and trial that the evaluation's span names, whichever thread flushes it."""
    capture = TelemetryCapture(batched=True)
    DSPyInstrumentor().instrument(**capture.providers, capture_content=True)
    noise = random.Random(7)  # noqa: S311 - what does not shrink
    question = f"1+1 {noise.randbytes(300_000).hex()}"
    devset = [dspy.Example(question=question, answer="2").with_inputs("question")]
    with _dspy.context(lm=sums_lm()), conversation("an evaluation's"):
        _dspy.Evaluate(devset=devset, metric=exact)(_dspy.Predict("question -> answer"))
    with conversation("another one"):
        pieces = [span for span in capture.spans if span.name == "payload"]
    assert len(pieces) > 1
    assert {str((span.attributes or {}).get("session.id")) for span in pieces} == {"an evaluation's"}
    DSPyInstrumentor().uninstrument()
    capture.shutdown()


def test_a_span_that_the_user_ends_too(captured: TelemetryCapture, caplog: pytest.LogCaptureFixture) -> None:
    """Ending the current span is the user's mistake, which breaks nothing: the first end counts, once."""

    class Ending(dspy.Module):
        def forward(self, question: str) -> Any:
            get_current_span().end()
            return dspy.Prediction(answer=question)

    program: Any = Ending()
    program(question="1+1")
    assert [span.name for span in captured.spans] == ["module Ending"]
    assert "left out" not in caplog.text


def test_an_interrupt_while_an_end_is_processed_does_not_lose_the_span() -> None:
    """Ctrl-C during a flush, in the middle of a redactor: the flush ends with it, and the next one has all spans."""
    interrupts = [KeyboardInterrupt]

    def interrupted(_name: str, text: str) -> str:
        if interrupts:
            raise interrupts.pop()
        return text

    with _redacting(interrupted) as capture:
        dspy.Predict("question -> answer")(question="1+1")
        with pytest.raises(KeyboardInterrupt):
            capture.tracer_provider.force_flush()
        assert [span.name for span in capture.spans] == ["chat scripted", "module Predict"]


class _Changed(BatchSpanProcessor):
    """A batch processor that does something of its own."""

    def on_end(self, span: ReadableSpan) -> None:
        super().on_end(span)


def _changed_object() -> BatchSpanProcessor:
    processor: Any = BatchSpanProcessor(InMemorySpanExporter())
    processor.on_end = _Listening().on_end
    return processor


@pytest.mark.parametrize(
    "impatient",
    [
        lambda: SimpleSpanProcessor(InMemorySpanExporter()),
        _Listening,
        lambda: _Changed(InMemorySpanExporter()),
        _changed_object,
    ],
    ids=["simple", "unknown", "derived", "changed"],
)
def test_ends_are_immediate_with_other_processors(impatient: Any, captured: TelemetryCapture) -> None:
    """With a processor that may do anything when a span ends nothing is late, and what was late before comes first."""
    program = dspy.Predict("question -> answer")
    program(question="1+1")
    listening = _Listening()
    for processor in (impatient(), listening):
        captured.tracer_provider.add_span_processor(processor)
    program(question="2+2")
    assert listening.ended == ["chat scripted", "module Predict"] * 2
    assert _ends_that_wait() == 0


def test_a_processor_added_during_a_call_gets_ends_in_order(captured: TelemetryCapture) -> None:
    """The ends of calls that were open then are no later than those that begin after."""
    listening = _Listening()

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
            with _dspy.context(lm=sums_lm()):
                dspy.Predict("question -> answer")(question="1+1")
        finally:
            DSPyInstrumentor().uninstrument()
    provider.force_flush()
    assert len(exporter.get_finished_spans()) == 2
    provider.shutdown()


def test_later_changes_by_the_program_are_not_recorded(captured: TelemetryCapture) -> None:
    """Inputs, messages, predictions and examples are recorded as they were: a chat continues with the same list."""
    numbers, messages = ["1", "1"], [{"role": "user", "content": "1+1"}]
    asked = [dspy.Example(question=numbers, answer="2").with_inputs("question")]
    lm: Any = in_process_lm(lambda _messages: _ANSWER)
    with _dspy.context(lm=lm):
        prediction: Any = dspy.Predict("numbers: list[str] -> answer")(numbers=numbers)
        lm(messages=messages)
        dspy.Evaluate(devset=asked, metric=exact, num_threads=1)(dspy.Predict("question -> answer"))
    asked[0]["answer"] = "changed"
    numbers.append("changed")
    prediction.answer = "changed"
    messages[0]["content"] = "changed"
    messages.append({"role": "assistant", "content": "changed"})
    texts = repr([dict(span.attributes or {}) for span in captured.spans])
    assert "numbers" in texts
    assert "dspy.example.labels" in texts
    assert "changed" not in texts


def test_a_fork_leaves_what_waits_to_the_parent(captured: TelemetryCapture) -> None:
    """A child that continues with the provider exports its own spans alone; the parent's are exported once, by the parent."""
    program = dspy.Predict("question -> answer")
    program(question="1+1")
    child = os.fork()
    if child == 0:
        telemetry: Any = DSPyInstrumentor()._telemetry
        waiting = len(telemetry.deferred_queue)
        program(question="2+2")
        os._exit(0 if waiting == 0 and len(telemetry.deferred_queue) > 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(captured.spans) == 2


def test_other_conventions_include_deferred_attributes() -> None:
    """OpenInference's attributes are derived from all attributes of a span, its content too."""
    capture = TelemetryCapture(batched=True)
    DSPyInstrumentor().instrument(**capture.providers, capture_content=True, extra_conventions="openinference")
    try:
        with _dspy.context(lm=sums_lm()):
            dspy.Predict("question -> answer")(question="1+1")
        recorded = {span.name: span.attributes or {} for span in capture.spans}
    finally:
        DSPyInstrumentor().uninstrument()
        capture.shutdown()
    assert "1+1" in str(recorded["module Predict"]["input.value"])
    assert recorded["chat scripted"]["openinference.span.kind"] == "LLM"
    assert "llm.token_count.prompt" in recorded["chat scripted"]
