"""A BatchSpanProcessor that is overrun loses examples, never spans of an optimization."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from typing_extensions import override

from otel_dspy import DSPyInstrumentor
from otel_dspy.exporter.control_span_queue import MOST_CONTROL_SPANS, ControlSpanQueue, keep_control_spans

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

CALLS = 10_000
CALLS_A_TRIAL = 500
CALLS_A_REQUEST = 1_000
"""Twice what a batch holds."""


class SlowExporter(SpanExporter):
    """Counts spans; in a burst a request takes as long as so many calls, on whatever machine."""

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()
        self.bursting = threading.Event()
        self.turns = threading.Semaphore(0)

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        while self.bursting.is_set() and not self.turns.acquire(timeout=0.01):
            pass
        self.names.update(span.name for span in spans)
        return SpanExportResult.SUCCESS


@pytest.fixture
def exporter() -> SlowExporter:
    """Where the spans arrive."""
    return SlowExporter()


@pytest.fixture
def provider(exporter: SlowExporter) -> Generator[TracerProvider]:
    """A provider as the SDK builds it from environment variables."""
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(exporter))
    yield made
    made.shutdown()


def burst(provider: TracerProvider, exporter: SlowExporter) -> None:
    """All calls at once, and a trial after every `CALLS_A_TRIAL` of them."""
    tracer = provider.get_tracer("calls")
    exporter.bursting.set()
    for number in range(CALLS):
        tracer.start_span("chat").end()
        if number % CALLS_A_TRIAL == 0:
            tracer.start_span("trial", attributes={"dspy.operation.name": "trial"}).end()
        if number % CALLS_A_REQUEST == 0:
            exporter.turns.release()
    exporter.bursting.clear()


def test_the_sdk_alone_loses_trials(provider: TracerProvider, exporter: SlowExporter) -> None:
    """What the queue is for: without it the oldest spans are dropped, whatever they record."""
    burst(provider, exporter)
    assert provider.force_flush()
    assert exporter.names["trial"] < CALLS // CALLS_A_TRIAL


def test_instrumenting_keeps_every_trial(provider: TracerProvider, exporter: SlowExporter) -> None:
    """`instrument()` is enough. What is dropped are calls, and the newest are kept as ever."""
    instrumentor = DSPyInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        burst(provider, exporter)
        assert provider.force_flush()
    finally:
        instrumentor.uninstrument()
    assert exporter.names["trial"] == CALLS // CALLS_A_TRIAL
    assert 2048 <= exporter.names["chat"] < CALLS


def test_nothing_that_waits_is_lost_on_the_way_over(exporter: SlowExporter) -> None:
    """A processor that is in use already keeps what it has; a second time nothing happens."""
    processor = BatchSpanProcessor(exporter, schedule_delay_millis=3_600_000)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    provider.get_tracer("t").start_span("before").end()
    assert keep_control_spans(processor)
    assert keep_control_spans(processor)
    provider.get_tracer("t").start_span("after").end()
    provider.shutdown()
    assert exporter.names == {"before": 1, "after": 1}


def span(operation: str | None, **attributes: str) -> ReadableSpan:
    """An ended span that has its operation."""
    recorded = {"dspy.operation.name": operation} if operation else {}
    return ReadableSpan(str(operation), attributes={**recorded, **attributes})


def test_order_and_bounds() -> None:
    """Control spans leave first, each kind in its order; both have a bound; clearing, as after a fork, empties both."""
    queue = ControlSpanQueue(2)
    for operation in ("example", "trial", "module", None, "setup"):
        queue.appendleft(span(operation))
    assert len(queue) == 4
    assert [queue.pop().name for _ in range(4)] == ["trial", "setup", "module", "None"]
    assert not queue
    trial = span("trial")
    for _ in range(MOST_CONTROL_SPANS + 5):
        queue.appendleft(trial)
    assert len(queue) == MOST_CONTROL_SPANS
    queue.clear()
    assert len(queue) == 0
    assert queue.maxlen == 2


def test_pieces_of_control_spans_are_control_spans() -> None:
    """A program's state in pieces is kept with its trial; an example's inputs in pieces are not."""
    queue = ControlSpanQueue(0)
    queue.appendleft(span("payload", **{"dspy.payload.attribute": "dspy.program.state"}))
    queue.appendleft(span("payload", **{"dspy.payload.attribute": "dspy.example.inputs"}))
    assert len(queue) == 1


def test_a_processor_of_another_make_is_left_alone() -> None:
    """No error, no change."""

    class Other(BatchSpanProcessor):
        def __init__(self) -> None:
            """Keeps its spans elsewhere."""

    assert not keep_control_spans(Other())
